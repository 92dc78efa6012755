// SPDX-License-Identifier: Apache-2.0
#include "govern/anchor_keeper.h"

#include <gtest/gtest.h>

#include <atomic>

#include "../base/scratch_directory.h"
#include "govern/anchor.h"

namespace agentos::govern {
namespace {

using namespace std::chrono_literals;

AuditHead head(std::uint64_t sequence) { return {sequence, std::string(64, 'a')}; }

std::vector<std::uint64_t> kept(const std::string& path) {
  std::vector<std::uint64_t> sequences;
  for (const auto& one : readAnchors(path).value_or(std::vector<AuditHead>{})) sequences.push_back(one.sequence);
  return sequences;
}

struct Scene {
  test::ScratchDirectory directory;
  std::string path = directory.path() + "/audit.anchor";
  SystemClock clock;
  std::atomic<int> failures = 0;
  std::function<void(const Error&)> failed = [this](const Error&) { ++failures; };
};

// However many come, and however fast: one a second, the newest of each second, and the last one at the end.
TEST(AnchorKeeper, AFloodBecomesOneLineAnInterval) {
  Scene scene;
  {
    AnchorKeeper keeper(scene.path, scene.clock, scene.failed, 1h);
    keeper.offer(head(1));
    for (int i = 0; i < 400 && kept(scene.path).empty(); ++i) std::this_thread::sleep_for(5ms);
    ASSERT_EQ(kept(scene.path), std::vector<std::uint64_t>{1}) << "the first waits for nothing";
    for (std::uint64_t sequence = 2; sequence <= 10'000; ++sequence) keeper.offer(head(sequence));
  }
  EXPECT_EQ(kept(scene.path), (std::vector<std::uint64_t>{1, 10'000}));
  EXPECT_EQ(scene.failures, 0);
}

TEST(AnchorKeeper, WhatGoesBackIsToldAndKeptOnceInAWhile) {
  Scene scene;
  for (const std::uint64_t sequence : {7U, 3U, 8U, 4U, 9U}) {
    AnchorKeeper keeper(scene.path, scene.clock, scene.failed, 1h);
    keeper.offer(head(sequence));
  }
  EXPECT_EQ(kept(scene.path), (std::vector<std::uint64_t>{7, 3, 8, 9}));
  EXPECT_EQ(scene.failures, 2);
}

TEST(AnchorKeeper, APlaceThatIsNotThereIsTold) {
  Scene scene;
  scene.path = scene.directory.path() + "/nowhere/audit.anchor";
  {
    AnchorKeeper(scene.path, scene.clock, scene.failed, 1h).offer(head(1));
  }
  EXPECT_EQ(scene.failures, 1);
}

}  // namespace
}  // namespace agentos::govern
