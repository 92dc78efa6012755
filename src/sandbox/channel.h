// SPDX-License-Identifier: Apache-2.0
// Messages with descriptors over a SOCK_SEQPACKET socket (unix(7)), and what is too large for one: a sealed memfd.
// Both sides of the privilege border use it; neither believes what it reads.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace agentos::sandbox {

// The most descriptors that one message carries (the kernel's own bound is 253).
inline constexpr std::size_t kMaxPassed = 64;

struct Packet {
  std::string bytes;
  std::vector<Fd> fds;
};

// One message. False: the socket's buffer is full, nothing was sent.
Result<bool> sendPacket(int socket, std::string_view bytes, std::span<const int> fds = {});

// One message, its descriptors O_CLOEXEC. Nothing: none is there yet. kUnreachable: the other end is gone.
// kSandboxProtocol: longer than `maxBytes`, or more than maxFds descriptors (which are closed).
Result<std::optional<Packet>> receivePacket(int socket, std::size_t maxBytes, std::size_t maxFds);

// A memfd that nobody can change any more (F_SEAL_WRITE | GROW | SHRINK | SEAL), to be passed and read from its start.
Result<Fd> makeSealed(const char* name, std::string_view bytes);
// Its content. kSandboxProtocol when it is anything but a sealed memfd, which alone can neither change under the reader
// nor make it wait; kTooLarge beyond maxBytes.
Result<std::string> readSealed(int fd, std::size_t maxBytes);

// Binds a listening SOCK_SEQPACKET socket (non-blocking) at <dirFd>/<name>, replacing a socket that is there. The path
// goes by the descriptor, so that its length never meets the 108 bytes of sun_path. Mode 0600, owner as given.
Result<Fd> listenAt(int dirFd, const std::string& name, unsigned owner, unsigned group);
// Connects to it; non-blocking. kUnreachable when nobody listens, kUnavailable when its backlog is full.
Result<Fd> connectTo(int dirFd, const std::string& name);

}  // namespace agentos::sandbox
