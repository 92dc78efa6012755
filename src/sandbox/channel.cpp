// SPDX-License-Identifier: Apache-2.0
#include "sandbox/channel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/files.h"

namespace agentos::sandbox {
namespace {

constexpr std::size_t kControlSpace = CMSG_SPACE(sizeof(int) * kMaxPassed);
constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

std::vector<Fd> takeDescriptors(msghdr& message) {
  std::vector<Fd> fds;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

Result<sockaddr_un> addressOf(int dirFd, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = "/proc/self/fd/" + std::to_string(dirFd) + "/" + name;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::kInvalidArgument, "the socket name " + name + " is too long", "at most 80 bytes");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

Result<Fd> seqpacketSocket() {
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return failErrno(errno, "making a socket");
  return socket;
}

}  // namespace

Result<bool> sendPacket(int socket, std::string_view bytes, std::span<const int> fds) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::array<char, kControlSpace> control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fds.size() > kMaxPassed) return fail(ErrorCode::kTooLarge, std::to_string(fds.size()) + " descriptors to pass");
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    std::memset(control.data(), 0, message.msg_controllen);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  while (::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return false;
    return failErrno(errno, "sending " + std::to_string(bytes.size()) + " bytes", {}, ErrorCode::kUnreachable);
  }
  return true;
}

Result<std::optional<Packet>> receivePacket(int socket, std::size_t maxBytes, std::size_t maxFds) {
  std::string bytes;
  bytes.resize(maxBytes);
  iovec part{bytes.data(), bytes.size()};
  alignas(cmsghdr) std::array<char, kControlSpace> control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got = 0;
  bool reset = false;
  while ((got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT)) < 0) {
    // Who closed without having read everything: told once, ahead of the words that he sent, which are still there.
    if (errno == EINTR || (errno == ECONNRESET && !std::exchange(reset, true))) continue;
    if (errno == EAGAIN) return std::nullopt;
    return failErrno(errno, "receiving", {}, ErrorCode::kUnreachable);
  }
  Packet packet{{}, takeDescriptors(message)};
  if (got == 0) return fail(ErrorCode::kUnreachable, "the other end closed the connection");
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || packet.fds.size() > maxFds) {
    return fail(ErrorCode::kSandboxProtocol, "a message longer than " + std::to_string(maxBytes) +
                                                 " bytes or with more than " + std::to_string(maxFds) + " descriptors");
  }
  bytes.resize(static_cast<std::size_t>(got));
  packet.bytes = std::move(bytes);
  return packet;
}

Result<Fd> makeSealed(const char* name, std::string_view bytes) {
  Fd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return failErrno(errno, "making a memfd");
  AGENTOS_CHECK(writeAll(fd.get(), bytes));
  if (::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) return failErrno(errno, "sealing a memfd");
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) return failErrno(errno, "rewinding a memfd");
  return fd;
}

Result<std::string> readSealed(int fd, std::size_t maxBytes) {
  int seals = ::fcntl(fd, F_GET_SEALS);
  constexpr int kNeeded = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
  struct stat info{};
  if (seals < 0 || (seals & kNeeded) != kNeeded || ::fstat(fd, &info) != 0) {
    return fail(ErrorCode::kSandboxProtocol, "the passed descriptor is no sealed memfd",
                "seal it against write, grow and shrink");
  }
  auto size = static_cast<std::size_t>(info.st_size);
  if (size > maxBytes)
    return fail(ErrorCode::kTooLarge, std::to_string(size) + " bytes in a memfd",
                "at most " + std::to_string(maxBytes));
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    ssize_t got = ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return failErrno(got < 0 ? errno : EIO, "reading a memfd");
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

Result<Fd> listenAt(int dirFd, const std::string& name, unsigned owner, unsigned group) {
  AGENTOS_TRY(auto address, addressOf(dirFd, name));
  AGENTOS_TRY(Fd socket, seqpacketSocket());
  if (::unlinkat(dirFd, name.c_str(), 0) != 0 && errno != ENOENT)
    return failErrno(errno, "replacing the socket " + name);
  // The name never has another mode than 0600 (bind(2) makes it with the socket's own mode: fchmod(2) before), and
  // nobody connects to a socket that does not listen yet.
  if (::fchmod(socket.get(), 0600) != 0) return failErrno(errno, "setting the mode of the socket " + name);
  if (::bind(socket.get(), generic(address), sizeof address) != 0)
    return failErrno(errno, "binding the socket " + name);
  if (::fchownat(dirFd, name.c_str(), owner, group, AT_SYMLINK_NOFOLLOW) != 0 || ::listen(socket.get(), 16) != 0) {
    return failErrno(errno, "handing the socket " + name + " to its owner");
  }
  return socket;
}

Result<Fd> connectTo(int dirFd, const std::string& name) {
  AGENTOS_TRY(auto address, addressOf(dirFd, name));
  AGENTOS_TRY(Fd socket, seqpacketSocket());
  if (::connect(socket.get(), generic(address), sizeof address) == 0) return socket;
  return failErrno(errno, "connecting to " + name, {},
                   errno == EAGAIN ? ErrorCode::kUnavailable : ErrorCode::kUnreachable);
}

}  // namespace agentos::sandbox
