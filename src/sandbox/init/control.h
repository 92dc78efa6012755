// SPDX-License-Identifier: Apache-2.0
// agent-init's end of the control socket (init_protocol.h). Nothing waits: a client that does not read its reply, or
// sends what is no request, is dropped.
#pragma once

#include <poll.h>

#include <array>
#include <functional>
#include <span>

#include "base/fd.h"
#include "sandbox/init_protocol.h"

namespace agentos::sandbox {

class ControlServer {
 public:
  using Handler = std::function<InitReply(const InitRequest&)>;
  // Takes the listening socket; listener descriptors stay the caller's and must outlive it.
  ControlServer(Fd socket, std::span<const int> listeners, Handler handler);

  static constexpr std::size_t kPollFds = 1 + kMaxControlClients;
  void preparePoll(std::span<pollfd, kPollFds> fds) const;
  // Serves what poll() found, one request a client.
  void handlePoll(std::span<const pollfd, kPollFds> fds);

 private:
  void acceptClient();
  bool serve(int client);  // false: drop it
  bool reply(int client, const InitReply& answer);

  Fd socket_;
  std::span<const int> listeners_;
  Handler handler_;
  std::array<Fd, kMaxControlClients> clients_;
  std::size_t next_ = 0;  // whose place the next client takes when all are taken: the oldest's
};

}  // namespace agentos::sandbox
