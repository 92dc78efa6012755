// SPDX-License-Identifier: Apache-2.0
#include "sandbox/service_manager.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>

namespace agentos::sandbox {
namespace {

// Descriptors 3 and on are the child's alone to place.
int inChild(const std::function<int()>& work) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(work());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void pass(int count, const char* names, pid_t to) {
  for (int i = 0; i < count; ++i) {
    const int fd = ::open("/dev/null", O_RDONLY);
    ::dup2(fd, 3 + i);
    if (fd != 3 + i) ::close(fd);
  }
  ::setenv("LISTEN_PID", std::to_string(to).c_str(), 1);
  ::setenv("LISTEN_FDS", std::to_string(count).c_str(), 1);
  names == nullptr ? ::unsetenv("LISTEN_FDNAMES") : ::setenv("LISTEN_FDNAMES", names, 1);
}

TEST(ServiceManager, ThePassedSocketIsFoundByItsName) {
  EXPECT_EQ(inChild([] {
              pass(2, "other:api", ::getpid());
              auto socket = takePassedSocket("api");
              if (!socket || socket->get() != 4) return 1;
              if ((::fcntl(4, F_GETFD) & FD_CLOEXEC) == 0) return 2;
              if (::fcntl(3, F_GETFD) != -1) return 3;  // nobody's, so closed
              return ::getenv("LISTEN_FDS") == nullptr ? 0 : 4;
            }),
            0);
}

TEST(ServiceManager, TheOnlyOneNeedsNoName) {
  EXPECT_EQ(inChild([] {
              pass(1, nullptr, ::getpid());
              auto socket = takePassedSocket("api");
              return socket && socket->get() == 3 ? 0 : 1;
            }),
            0);
}

// A parent's variables that were inherited along with its environment are not meant for us.
TEST(ServiceManager, WhatIsMeantForAnotherProcessIsLeftAlone) {
  EXPECT_EQ(inChild([] {
              pass(1, "api", ::getppid());
              auto socket = takePassedSocket("api");
              return socket && !*socket && ::fcntl(3, F_GETFD) != -1 ? 0 : 1;
            }),
            0);
}

TEST(ServiceManager, NonsenseIsRefused) {
  EXPECT_EQ(inChild([] {
              pass(1, "api", ::getpid());
              for (const char* count : {"-1", "65", "1x", "99999999999999", ""}) {
                ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
                ::setenv("LISTEN_FDS", count, 1);
                auto sockets = takePassedSockets();
                if (*count != '\0' && sockets) return 1;
                if (*count == '\0' && (!sockets || !sockets->empty())) return 2;
              }
              ::close(3);
              ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
              ::setenv("LISTEN_FDS", "1", 1);
              if (takePassedSockets()) return 3;  // a descriptor that is not open
              pass(2, "a:b", ::getpid());
              return takePassedSocket("api") ? 4 : 0;
            }),
            0);
}

TEST(ServiceManager, StatesArriveAtTheManagersSocketOrNowhere) {
  EXPECT_EQ(inChild([] {
              ::unsetenv("NOTIFY_SOCKET");
              if (notifyManager("READY=1")) return 1;
              const std::string name = "@agentos-notify-" + std::to_string(::getpid());
              ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
              if (notifyManager("READY=1")) return 2;  // nobody there
              sockaddr_un address{};
              address.sun_family = AF_UNIX;
              std::memcpy(address.sun_path + 1, name.data() + 1, name.size() - 1);
              const Fd socket(::socket(AF_UNIX, SOCK_DGRAM, 0));
              const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
              if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return 3;
              if (!notifyManager("READY=1\nSTATUS=well")) return 4;
              std::array<char, 64> text{};
              const auto got = ::recv(socket.get(), text.data(), text.size(), MSG_DONTWAIT);
              return got > 0 && std::string_view(text.data(), static_cast<std::size_t>(got)) == "READY=1\nSTATUS=well"
                         ? 0
                         : 5;
            }),
            0);
}

}  // namespace
}  // namespace agentos::sandbox
