// SPDX-License-Identifier: Apache-2.0
#include "sandbox/room_etc.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "../base/scratch_directory.h"
#include "base/files.h"

namespace agentos::sandbox {
namespace {

namespace fs = std::filesystem;

class RoomEtcTest : public testing::Test {
 protected:
  RoomEtcTest() {
    for (const char* name : {"/host/ssl/certs", "/room", "/aside"}) fs::create_directories(dir_.path() + name);
    write("timezone", "Europe/Berlin\n");
    write("ssl/certs/old.pem", "old");
    write("shadow", "secret");
    auto made = RoomEtc::make(dir_.path() + "/host", *openDirectory(dir_.path() + "/room"),
                              *openDirectory(dir_.path() + "/aside"));
    EXPECT_TRUE(made) << made.error().message();
    if (made) etc_ = *std::move(made);
  }
  std::string host(const std::string& name) const { return dir_.path() + "/host/" + name; }
  std::string room(const std::string& name) const { return dir_.path() + "/room/" + name; }
  void write(const std::string& name, const std::string& text) const { std::ofstream(host(name)) << text; }
  std::string inRoom(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(room(name)).rdbuf();
    return text.str();
  }
  // As dpkg and update-ca-certificates do: written beside, renamed.
  void renameInto(const std::string& name, const std::string& text) const {
    write(name + ".new", text);
    fs::rename(host(name + ".new"), host(name));
  }
  void refresh() const {
    auto done = etc_->refresh();
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_TRUE(fs::is_empty(dir_.path() + "/aside")) << "nothing half made stays";
  }

  test::ScratchDirectory dir_;
  std::unique_ptr<RoomEtc> etc_;
};

TEST_F(RoomEtcTest, HasWhatIsListedAndNoMore) {
  EXPECT_EQ(inRoom("timezone"), "Europe/Berlin\n");
  EXPECT_EQ(inRoom("ssl/certs/old.pem"), "old");
  EXPECT_FALSE(fs::exists(room("shadow")));
}

TEST_F(RoomEtcTest, WhatIsReplacedChangedAddedAndRemovedIsSoHere) {
  renameInto("timezone", "Asia/Tokyo\n");
  refresh();
  EXPECT_EQ(inRoom("timezone"), "Asia/Tokyo\n");
  write("timezone", "UTC\n");
  write("ssl/certs/new.pem", "new");
  refresh();
  EXPECT_EQ(inRoom("timezone"), "UTC\n");
  EXPECT_EQ(inRoom("ssl/certs/new.pem"), "new");
  fs::remove(host("ssl/certs/old.pem"));
  fs::remove(host("timezone"));
  refresh();
  EXPECT_FALSE(fs::exists(room("ssl/certs/old.pem")));
  EXPECT_FALSE(fs::exists(room("timezone")));
}

TEST_F(RoomEtcTest, WhatComesLaterIsWatchedToo) {
  fs::create_directories(host("fonts/conf.d"));
  refresh();
  write("fonts/conf.d/10.conf", "one");
  refresh();
  EXPECT_EQ(inRoom("fonts/conf.d/10.conf"), "one");
  write("fonts/conf.d/10.conf", "two");
  refresh();
  EXPECT_EQ(inRoom("fonts/conf.d/10.conf"), "two");
  fs::remove_all(host("ssl"));
  refresh();
  EXPECT_FALSE(fs::exists(room("ssl/certs")));
  fs::create_directories(host("ssl/certs"));
  write("ssl/certs/again.pem", "again");
  refresh();
  EXPECT_EQ(inRoom("ssl/certs/again.pem"), "again");
}

// A program that has a directory open when it changes goes on reading the old one or the new one.
TEST_F(RoomEtcTest, WhatDidNotChangeIsNotMadeAnew) {
  struct stat before{}, after{};
  ASSERT_EQ(::stat(room("ssl/certs").c_str(), &before), 0);
  renameInto("timezone", "UTC\n");
  write("hostname", "of no interest");
  refresh();
  ASSERT_EQ(::stat(room("ssl/certs").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(RoomEtcTest, WhatOnlyRootMayReadGoesAgain) {
  fs::permissions(host("timezone"), fs::perms(0600));
  refresh();
  EXPECT_FALSE(fs::exists(room("timezone")));
}

}  // namespace
}  // namespace agentos::sandbox
