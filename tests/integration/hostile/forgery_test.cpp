// SPDX-License-Identifier: Apache-2.0
// The audit log of a running agentd, forged by its own user: found and located.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "hostile.h"

namespace agentos::test {
namespace {

namespace fs = std::filesystem;

class Forgery : public Hostile {
 protected:
  void SetUp() override {
    agentd.start();
    for (int i = 0; i < 5; ++i) agentd.addTask("trace " + std::to_string(i), "nobody-in-particular");
    ASSERT_TRUE(eventually([&] { return agentd.ask({"audit", "verify"}).value("anchored_up_to", 0) >= 6; }));
    for (const auto& entry : fs::directory_iterator(agentd.prefix() + "/var/lib/agentd/audit")) file_ = entry.path();
    text_ = readWhole(file_.string());
  }
  // In place: the file agentd has open.
  void rewrite(const std::string& text) {
    const Fd file(::open(file_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
    ASSERT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  Json broken() {
    const Answer verify = agentd.ctl({"audit", "verify", "-o", "json"});
    EXPECT_EQ(verify.status, 1) << verify.out << verify.err;
    const Json json = verify.json();
    EXPECT_EQ(json.value("state", ""), "broken") << verify.out;
    return json;
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    std::istringstream in(text_);
    for (std::string line; std::getline(in, line);) all.push_back(line + "\n");
    return all;
  }
  static std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const auto& line : lines) text += line;
    return text;
  }

  fs::path file_;
  std::string text_;
};

TEST_F(Forgery, AFlippedByteIsFoundInItsLineAndTheDaemonLives) {
  const auto at = text_.find("trace");
  const auto place = at == std::string::npos ? text_.size() / 2 : at;
  std::string forged = text_;
  forged[place] = static_cast<char>(forged[place] ^ 1);
  const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(place), '\n');
  rewrite(forged);
  const Json found = broken();
  EXPECT_NE(found.value("where", "").find(file_.filename().string() + ":" + std::to_string(line)), std::string::npos)
      << found;
  rewrite(text_);
  verifies();
  endWithNothingLeft();
}

TEST_F(Forgery, DeletedSwappedAndInsertedLinesAreFound) {
  auto deleted = lines();
  deleted.erase(deleted.begin() + 2);
  rewrite(joined(deleted));
  EXPECT_NE(broken().value("where", "").find(":3"), std::string::npos);
  auto swapped = lines();
  std::swap(swapped[2], swapped[3]);
  rewrite(joined(swapped));
  EXPECT_NE(broken().value("where", "").find(":3"), std::string::npos);
  auto inserted = lines();
  inserted.insert(inserted.begin() + 2, inserted[1]);
  rewrite(joined(inserted));
  EXPECT_NE(broken().value("where", "").find(":3"), std::string::npos);
  rewrite(text_);
  verifies();
  endWithNothingLeft();
}

// A chain that ends early is a whole chain: only root's anchor knows of the rest.
TEST_F(Forgery, ATruncatedLiveLogIsFoundByTheAnchorAndNotWrittenOver) {
  auto cut = lines();
  cut.resize(cut.size() - 2);
  rewrite(joined(cut));
  const Json found = broken();
  EXPECT_NE(found.dump().find("anchor"), std::string::npos) << found;
  const auto size = fs::file_size(file_);
  const Answer added = agentd.ctl({"task", "add", "after the forgery", "--to", "nobody-in-particular"});
  EXPECT_EQ(fs::file_size(file_), size) << "the evidence is left as it is: " << added.out << added.err;
  EXPECT_EQ(ask(socketPath(), "GET", "/v1/agents").status, 200) << "status answers";
  EXPECT_EQ(agentd.ctl({"audit", "verify"}).status, 1);
}

}  // namespace
}  // namespace agentos::test
