// SPDX-License-Identifier: Apache-2.0
#include "real_agentd.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/ids.h"

namespace agentos::test {
namespace fs = std::filesystem;

namespace {

std::string programPath(const std::string& name) {
  return name.front() == '/' ? name : std::string(AGENTOS_BIN_DIR) + "/" + name;
}

// Output goes to files: a pipe would need a reader while the program runs.
pid_t startProgram(const std::vector<std::string>& command, const std::string& out, const std::string& err) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  const int outFd = ::open(out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644),
            errFd = ::open(err.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, 0);
  ::dup2(outFd, 1);
  ::dup2(errFd, 2);
  std::vector<char*> argv;
  std::string program = programPath(command.front());
  argv.push_back(program.data());
  for (std::size_t i = 1; i < command.size(); ++i)
    argv.push_back(const_cast<char*>(command[i].c_str()));  // NOLINT: execv's signature
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  ::_exit(127);
}

int waitFor(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string fieldOf(const Json& json, const char* key) {
  auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

std::string readWhole(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(20ms);
  }
  return true;
}

bool isAlive(pid_t pid) {
  const std::string stat = readWhole("/proc/" + std::to_string(pid) + "/stat");
  const auto after = stat.rfind(") ");
  return after != std::string::npos && stat[after + 2] != 'Z';
}

std::vector<pid_t> childrenOf(pid_t pid) {
  std::vector<pid_t> children;
  std::istringstream text(readWhole("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"));
  for (pid_t child = 0; text >> child;) children.push_back(child);
  return children;
}

Answer runProgram(const std::vector<std::string>& command) {
  const std::string base = "/tmp/agentos-run-" + randomToken(8);
  Answer answer;
  answer.status = waitFor(startProgram(command, base + ".out", base + ".err"));
  answer.out = readWhole(base + ".out");
  answer.err = readWhole(base + ".err");
  fs::remove(base + ".out");
  fs::remove(base + ".err");
  return answer;
}

RealAgentd::RealAgentd() {
  prefix_ = "/var/tmp/agentos-it-" + randomToken(8);
  fs::create_directories(prefix_ + "/etc/agents");
  fs::create_directories(prefix_ + "/etc/agentd");
  fs::permissions(prefix_, fs::perms(0755));
  const Answer made = runProgram({"agentctl", "company", "init", company(), "--user", "nobody"});
  EXPECT_EQ(made.status, 0) << made.err;
  config("stop: { grace: 500ms }\npolicy: { allow_unlimited_without_controllers: true }\n");
}

RealAgentd::~RealAgentd() {
  if (testing::Test::HasFailure()) std::cerr << "--- agentd's log\n" << log();
  if (launcher_ > 0) stop();
  if (!cgroupRoot_.empty()) runProgram({"agentd-keeper", "--remove", "--root", cgroupRoot_});
  std::error_code ignored;
  fs::remove_all(prefix_, ignored);
}

std::string RealAgentd::log() const { return readWhole(prefix_ + "/agentd.log"); }

void RealAgentd::start() {
  const std::string file = prefix_ + "/agentd.log";
  cgroupRoot_.clear();
  launcher_ =
      startProgram({programs_ + "agentd", "--prefix", prefix_, "--company", company(), "--user", "nobody"}, file, file);
  // It answers while it recovers; the control group is known once the spawner has told of the machine.
  const bool ready = eventually(
      [&] {
        const Answer info = ctl({"system", "info", "-o", "json"});
        if (info.status == 0) cgroupRoot_ = fieldOf(info.json(), "cgroup_root");
        return info.status == 0 && !cgroupRoot_.empty() && isReady();
      },
      20s);
  ASSERT_TRUE(ready) << log();
}

bool RealAgentd::isReady() {
  return runProgram({"/usr/bin/curl", "--silent", "--fail", "--unix-socket", prefix_ + "/run/agentd/agentd.sock",
                     "http://agentd/readyz"})
             .status == 0;
}

int RealAgentd::stop() {
  if (launcher_ <= 1) return -1;  // a signal to -1 would reach every process of the machine
  ::kill(launcher_, SIGTERM);
  const int status = waitFor(launcher_);
  launcher_ = -1;
  return status;
}

Answer RealAgentd::ctl(std::vector<std::string> words) {
  words.insert(words.begin(), {"agentctl", "--prefix", prefix_});
  return runProgram(words);
}

Json RealAgentd::ask(std::vector<std::string> words) {
  words.insert(words.end(), {"-o", "json"});
  const Answer answer = ctl(words);
  EXPECT_EQ(answer.status, 0) << words.front() << " " << words[1] << ": " << answer.err;
  return answer.json();
}

void RealAgentd::contract(const std::string& name, const std::string& rest) {
  std::ofstream(prefix_ + "/etc/agents/" + name + ".yaml")
      << "apiVersion: agentos/v0.2\nkind: AgentContract\nname: " << name << "\nbinding: flexible\n"
      << rest;
}

void RealAgentd::config(const std::string& yaml) { std::ofstream(prefix_ + "/etc/agentd/agentd.yaml") << yaml; }

std::string RealAgentd::addTask(const std::string& title, const std::string& agent) {
  const Answer answer = ctl({"task", "add", title, "--to", agent});
  EXPECT_EQ(answer.status, 0) << answer.err;
  return answer.out.substr(0, answer.out.find('\n'));
}

std::string RealAgentd::statusOf(const std::string& task) {
  for (const char* status : {"backlog", "queued", "in-progress", "in-review", "done", "failed", "declined"}) {
    if (fs::exists(company() + "/agents/tasks/" + status + "/" + task + ".md")) return status;
  }
  return "nowhere";
}

std::string RealAgentd::output(const std::string& instance) {
  return readWhole(prefix_ + "/var/log/agentd/" + instance + "/output.log");
}

std::size_t RealAgentd::countOutput(const std::string& instance, const std::string& needle) {
  const std::string text = output(instance);
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(needle, at)) != std::string::npos; at += needle.size()) ++count;
  return count;
}

Json RealAgentd::status(const std::string& agent) { return ask({"inspect", agent}); }

pid_t RealAgentd::daemon() { return ask({"system", "info"}).value("pid", -1); }

std::string RealAgentd::cgroup(const std::string& instance) { return cgroupRoot_ + "/" + instance; }

std::vector<pid_t> RealAgentd::processes(const std::string& instance) {
  std::vector<pid_t> pids;
  for (const char* group : {"/pay", "/sup"}) {
    std::istringstream text(readWhole(cgroup(instance) + group + "/cgroup.procs"));
    for (pid_t pid = 0; text >> pid;) pids.push_back(pid);
  }
  return pids;
}

}  // namespace agentos::test
