// SPDX-License-Identifier: Apache-2.0
#include "sandbox/init/control.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace agentos::sandbox {

ControlServer::ControlServer(Fd socket, std::span<const int> listeners, Handler handler)
    : socket_(std::move(socket)), listeners_(listeners), handler_(std::move(handler)) {
  fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
}

void ControlServer::preparePoll(std::span<pollfd, kPollFds> fds) const {
  fds[0] = {socket_.get(), POLLIN, 0};
  for (std::size_t i = 0; i < clients_.size(); ++i) fds[i + 1] = {clients_[i].get(), POLLIN, 0};
}

void ControlServer::handlePoll(std::span<const pollfd, kPollFds> fds) {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (fds[i + 1].revents != 0 && !serve(clients_[i].get())) clients_[i].reset();
  }
  if (fds[0].revents != 0) acceptClient();
}

void ControlServer::acceptClient() {
  Fd client(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client) {
    // Out of descriptors or memory, the connection stays in the backlog and poll() says so at once again.
    if (errno != EAGAIN && errno != ECONNABORTED) usleep(10'000);
    return;
  }
  auto place = std::ranges::find_if(clients_, [](const Fd& fd) { return !fd; });
  if (place == clients_.end()) {
    place = clients_.begin() + static_cast<std::ptrdiff_t>(next_);
    next_ = (next_ + 1) % clients_.size();
  }
  *place = std::move(client);
}

bool ControlServer::serve(int client) {
  std::array<char, kMaxControlMessage> buffer;
  // No room for control data: descriptors that a client sends along are closed by the kernel.
  ssize_t got = recv(client, buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  auto size = static_cast<std::size_t>(got);
  if (size > buffer.size()) {
    reply(client, {.kind = InitReplyKind::kRefused, .why = "a request of " + std::to_string(size) + " bytes"});
    return false;
  }
  auto request = decodeInitRequest({buffer.data(), size});
  if (!request) {
    reply(client, {.kind = InitReplyKind::kRefused, .why = request.error().message()});
    return false;
  }
  return reply(client, handler_(*request));
}

bool ControlServer::reply(int client, const InitReply& answer) {
  std::string bytes = encodeInitReply(answer);
  iovec part{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxListeners * sizeof(int))> control{};
  if (answer.kind == InitReplyKind::kListeners && !listeners_.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(listeners_.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(listeners_.size_bytes());
    std::memcpy(CMSG_DATA(header), listeners_.data(), listeners_.size_bytes());
  }
  return sendmsg(client, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

}  // namespace agentos::sandbox
