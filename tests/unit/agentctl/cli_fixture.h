// SPDX-License-Identifier: Apache-2.0
// agentctl as a process of its own, against a fake daemon.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "../client/fake_server.h"
#include "base/json.h"

namespace agentos::agentctl {

using agentos::testing::Answer;
using agentos::testing::Asked;
using agentos::testing::FakeServer;
using agentos::testing::problem;

struct Ran {
  int status = -1;  // exit status; 1000 + signal when it was ended by one
  std::string out, err;
};

class CliTest : public ::testing::Test {
 protected:
  CliTest() {
    std::string name = (std::filesystem::temp_directory_path() / "agentos-cli-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    server_ = std::make_unique<FakeServer>(socket());
    ::unsetenv("AGENTD_SOCKET");
    ::unsetenv("NO_COLOR");
  }
  ~CliTest() override {
    server_.reset();
    std::filesystem::remove_all(directory_);
  }
  std::string socket() const { return directory_ + "/s"; }
  FakeServer& server() { return *server_; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ + "/" + name) << text;
    return directory_ + "/" + name;
  }
  std::string read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(directory_ + "/" + name).rdbuf();
    return text.str();
  }

  // Starts agentctl with its output in files; `run` waits for its end.
  pid_t start(std::vector<std::string> args, bool withSocket = true, const std::string& input = {}) {
    if (withSocket) args.insert(args.begin(), {"--socket", socket()});
    write("in", input);
    pid_t child = ::fork();
    if (child != 0) return child;
    redirect("in", O_RDONLY, STDIN_FILENO);
    redirect("out", O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    redirect("err", O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
    std::vector<char*> argv = {const_cast<char*>("agentctl")};
    for (auto& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    ::execv(AGENTCTL, argv.data());
    ::_exit(127);
  }
  Ran finish(pid_t child) const {
    int status = 0;
    ::waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), read("out"), read("err")};
  }
  Ran run(std::vector<std::string> args, bool withSocket = true, const std::string& input = {}) {
    return finish(start(std::move(args), withSocket, input));
  }
  // Until `text` stands in the file, or two seconds have passed.
  bool waitFor(const std::string& file, const std::string& text) const {
    for (int i = 0; i < 400; ++i) {
      if (read(file).find(text) != std::string::npos) return true;
      ::usleep(5000);
    }
    return false;
  }

 private:
  void redirect(const std::string& name, int flags, int to) const {
    int fd = ::open((directory_ + "/" + name).c_str(), flags, 0600);
    ::dup2(fd, to);
    ::close(fd);
  }
  std::string directory_;
  std::unique_ptr<FakeServer> server_;
};

inline const char* kRunning =
    R"json({"id":"maker.k3x9q2","agent":"maker","state":"running","mode":"cycle","class":"DT","contract_digest":"ab12",
"source":"/c/maker.yaml","task":"task-2026-1120-001","trace":"tr","reason":null,"created":"2026-11-20T14:03:07.120Z","started":"2026-11-20T14:03:08.000Z",
"ended":null,"restarts":0,"cost_micro_usd":4200,"model_calls":3,"adopted":false,"pid":4711,"exit":null,
"enforcement":{"enforced":["pids.max=512"],"substituted":[],"missing":["memory: no memory controller"]}})json";

inline std::string ended(int code) {
  auto view = Json::parse(kRunning);
  view["state"] = "exited";
  view["exit"] = {
      {"code", code}, {"exec_failed", false}, {"detail", nullptr}, {"oom_kills", 0}, {"memory_peak", 1048576}};
  return view.dump();
}

}  // namespace agentos::agentctl
