// SPDX-License-Identifier: Apache-2.0
#include "sandbox/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/files.h"

namespace agentos::sandbox {
namespace {

struct Pair {
  Pair() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    left.reset(ends[0]), right.reset(ends[1]);
  }
  Fd left, right;
};

TEST(Channel, MessagesKeepTheirBordersAndDescriptors) {
  Pair pair;
  Fd file = *makeSealed("x", "hello");
  std::array fds{file.get(), file.get()};
  EXPECT_TRUE(*sendPacket(pair.left.get(), "one", fds));
  EXPECT_TRUE(*sendPacket(pair.left.get(), "two"));
  auto one = receivePacket(pair.right.get(), 100, 2);
  ASSERT_TRUE(one && *one);
  EXPECT_EQ((*one)->bytes, "one");
  ASSERT_EQ((*one)->fds.size(), 2U);
  EXPECT_EQ(*readSealed((*one)->fds[1].get(), 100), "hello");
  EXPECT_EQ(::fcntl((*one)->fds[0].get(), F_GETFD), FD_CLOEXEC);
  auto two = receivePacket(pair.right.get(), 100, 2);
  EXPECT_EQ((*two)->bytes, "two");
  EXPECT_FALSE(*receivePacket(pair.right.get(), 100, 2));
}

TEST(Channel, WhatIsTooLongOrCarriesTooMuchIsRefused) {
  Pair pair;
  EXPECT_TRUE(*sendPacket(pair.left.get(), std::string(101, 'x')));
  EXPECT_EQ(receivePacket(pair.right.get(), 100, 2).error().code, ErrorCode::kSandboxProtocol);
  std::array fds{0, 0, 0};
  EXPECT_TRUE(*sendPacket(pair.left.get(), "x", fds));
  EXPECT_EQ(receivePacket(pair.right.get(), 100, 2).error().code, ErrorCode::kSandboxProtocol);
  std::vector<int> many(kMaxPassed + 1, 0);
  EXPECT_EQ(sendPacket(pair.left.get(), "x", many).error().code, ErrorCode::kTooLarge);
}

// A room's child says why it gives up and ends, with words of the spawner's still unread.
TEST(Channel, LastWordsAreHeardThoughTheirSenderReadNothing) {
  Pair pair;
  EXPECT_TRUE(*sendPacket(pair.right.get(), "unread"));
  EXPECT_TRUE(*sendPacket(pair.left.get(), "why"));
  pair.left.reset();
  auto why = receivePacket(pair.right.get(), 100, 2);
  ASSERT_TRUE(why && *why);
  EXPECT_EQ((*why)->bytes, "why");
  EXPECT_EQ(receivePacket(pair.right.get(), 100, 2).error().code, ErrorCode::kUnreachable) << "and then its end";
}

TEST(Channel, AFullSocketSaysSoAndAGoneOneToo) {
  Pair pair;
  std::string large(60'000, 'x');
  Result<bool> sent = true;
  for (int i = 0; i < 1000 && sent && *sent; ++i) sent = sendPacket(pair.left.get(), large);
  ASSERT_TRUE(sent);
  EXPECT_FALSE(*sent);
  pair.right.reset();
  EXPECT_EQ(sendPacket(pair.left.get(), "x").error().code, ErrorCode::kUnreachable);
  EXPECT_EQ(receivePacket(pair.left.get(), 100, 2).error().code, ErrorCode::kUnreachable);
}

TEST(Channel, OnlyASealedMemfdIsRead) {
  Fd open(::memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(readSealed(open.get(), 10).error().code, ErrorCode::kSandboxProtocol);
  Fd device(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(readSealed(device.get(), 10).error().code, ErrorCode::kSandboxProtocol);
  Fd sealed = *makeSealed("x", "four");
  EXPECT_EQ(readSealed(sealed.get(), 3).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(*readSealed(sealed.get(), 4), "four");
  EXPECT_EQ(::write(sealed.get(), "x", 1), -1);
}

TEST(Channel, ASocketIsReplacedAndReached) {
  std::string pattern = std::filesystem::temp_directory_path() / "channel-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  Fd directory = *openDirectory(pattern);
  EXPECT_EQ(connectTo(directory.get(), "s").error().code, ErrorCode::kUnreachable);
  {
    auto first = listenAt(directory.get(), "s", ::getuid(), ::getgid());
    ASSERT_TRUE(first) << first.error().message();
  }
  EXPECT_EQ(connectTo(directory.get(), "s").error().code, ErrorCode::kUnreachable) << "stale: nobody listens";
  auto second = listenAt(directory.get(), "s", ::getuid(), ::getgid());
  ASSERT_TRUE(second);
  struct stat info{};
  ASSERT_EQ(::fstatat(directory.get(), "s", &info, AT_SYMLINK_NOFOLLOW), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_TRUE(connectTo(directory.get(), "s"));
  EXPECT_FALSE(listenAt(directory.get(), std::string(100, 'x'), 0, 0));
  std::filesystem::remove_all(pattern);
}

// Whoever looks, at whatever moment, under whatever umask, never sees it open to others.
TEST(Channel, TheSocketHasItsModeFromTheFirstMoment) {
  std::string pattern = (std::filesystem::temp_directory_path() / "agentos-test-XXXXXX").string();
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  Fd directory = *openDirectory(pattern);
  const mode_t before = ::umask(0);
  std::atomic<bool> over = false;
  std::atomic<int> wrong = 0, seen = 0;
  std::thread looker([&] {
    while (!over) {
      struct stat info{};
      if (::fstatat(directory.get(), "s", &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      ++seen;
      if ((info.st_mode & 0777U) != 0600U) ++wrong;
    }
  });
  for (int i = 0; i < 2000; ++i) EXPECT_TRUE(listenAt(directory.get(), "s", ::getuid(), ::getgid()));
  over = true;
  looker.join();
  ::umask(before);
  EXPECT_GT(seen, 0);
  EXPECT_EQ(wrong, 0);
  std::filesystem::remove_all(pattern);
}

}  // namespace
}  // namespace agentos::sandbox
