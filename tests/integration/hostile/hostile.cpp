// SPDX-License-Identifier: Apache-2.0
#include "hostile.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/sqlite.h"

namespace agentos::test {
namespace fs = std::filesystem;

std::string bashOnTask(const std::string& script, const std::string& more) {
  return "schedule: { on: [task] }\nrun: { mode: cycle, timeout: 1m, command: [\"/bin/bash\", \"-c\", " +
         Json(script).dump() + "] }\n" + more;
}

namespace {

pid_t halfNow(pid_t launcher, const std::string& word) {
  for (const pid_t child : childrenOf(launcher)) {
    if (isAlive(child) && readWhole("/proc/" + std::to_string(child) + "/cmdline").find(word) != std::string::npos)
      return child;
  }
  return -1;
}

}  // namespace

// Tries come again soon: what is proved is that they do.
Hostile::Hostile() {
  std::ofstream(agentd.company() + "/company.yaml", std::ios::app) << "\nretry: { backoff: 1s..1s }\n";
}

void Hostile::model(const std::string& rules) {
  writeText(agentd.prefix() + "/etc/agentd/model.yaml", "models: [house/scripted]\nrules:\n" + rules);
  agentd.config(
      std::string(kUnlimited) +
      "models: [ { driver: scripted, script: model.yaml } ]\nprices: { \"house/*\": { input: 1.00, output: 1.00 } }\n");
}

pid_t Hostile::half(const std::string& word) const {
  pid_t found = -1;
  eventually([&] { return (found = halfNow(agentd.launcher(), word)) > 1; }, 15s);
  return found;
}

bool Hostile::isRunning(const std::string& agent) {
  const Answer answer = agentd.ctl({"inspect", agent, "-o", "json"});
  return answer.status == 0 && answer.json().value("state", "") == "running";
}

std::string Hostile::runningWith(const std::string& agent, const std::string& word) {
  EXPECT_TRUE(eventually([&] { return isRunning(agent); }, 15s)) << agent << " does not run";
  const std::string id = instanceOf(agent);
  EXPECT_TRUE(eventually([&] { return agentd.countOutput(id, word) > 0; }, 15s))
      << id << " did not say " << word << ":\n"
      << agentd.output(id);
  return id;
}

std::vector<Json> Hostile::events(const std::string& kind) {
  std::vector<Json> found;
  std::vector<fs::path> files;
  for (const auto& file : fs::directory_iterator(agentd.prefix() + "/var/lib/agentd/audit"))
    files.push_back(file.path());
  std::ranges::sort(files);
  for (const auto& file : files) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
      Json event = Json::parse(line, nullptr, false);
      if (event.is_object() && event.value("kind", "") == kind) found.push_back(std::move(event));
    }
  }
  return found;
}

std::size_t Hostile::eventsOf(const std::string& kind, const std::string& task) {
  std::set<std::int64_t> epochs;
  for (const Json& event : events(kind)) {
    if (event.value("task", "") == task)
      epochs.insert(event.value("data", Json::object()).value("epoch", std::int64_t{0}));
  }
  return epochs.size();
}

void Hostile::isReady() {
  ASSERT_TRUE(eventually([&] { return ask(socketPath(), "GET", "/readyz").status == 200; }, 15s));
}

void Hostile::verifies() {
  const Answer verified = agentd.ctl({"audit", "verify"});
  EXPECT_EQ(verified.status, 0) << verified.out << verified.err;
}

void Hostile::endWithNothingLeft() {
  verifies();
  const std::string group = agentd.cgroup("");
  EXPECT_EQ(agentd.stop(), 0) << agentd.log();
  EXPECT_TRUE(eventually([&] { return processesMentioning(agentd.prefix()).empty(); }, 3s)) << "a process is left";
  EXPECT_FALSE(fs::exists(group)) << group;
  auto db = Database::open(agentd.prefix() + "/var/lib/agentd/agentd.db");
  ASSERT_TRUE(db.has_value());
  auto whole = (*db)->prepare("PRAGMA integrity_check");
  ASSERT_TRUE(whole && whole->step().value_or(false));
  EXPECT_EQ(whole->text(0), "ok");
  auto open = (*db)->prepare("SELECT count(*) FROM ledger_reservations");
  ASSERT_TRUE(open && open->step().value_or(false));
  EXPECT_EQ(open->integer(0), 0) << "a reservation is left open";
}

Fd connectUnix(const std::string& path) {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return {};  // NOLINT: the API's cast
  return socket;
}

void sendText(const Fd& socket, const std::string& text) {
  [[maybe_unused]] auto sent = ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
}

std::string readToEnd(const Fd& socket, std::chrono::milliseconds patience) {
  std::string text;
  char piece[16384];
  for (;;) {
    pollfd wait{socket.get(), POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(patience.count())) <= 0) return text;
    const ssize_t got = ::recv(socket.get(), piece, sizeof piece, 0);
    if (got <= 0) return text;
    text.append(piece, static_cast<std::size_t>(got));
  }
}

Reply ask(const std::string& path, const std::string& method, const std::string& target, const std::string& body) {
  const Fd socket = connectUnix(path);
  if (!socket) return {};
  sendText(socket, method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " +
                       std::to_string(body.size()) + "\r\n\r\n" + body);
  const std::string text = readToEnd(socket);
  if (!text.starts_with("HTTP/1.1 ")) return {};
  const auto end = text.find("\r\n\r\n");
  return {std::stoi(text.substr(9, 3)), text.substr(0, end), end == std::string::npos ? "" : text.substr(end + 4)};
}

std::chrono::microseconds medianAnswer(const std::string& path, int times) {
  std::vector<std::chrono::microseconds> taken;
  for (int i = 0; i < times; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(ask(path, "GET", "/v1/agents").status, 200);
    taken.push_back(std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin));
  }
  std::ranges::sort(taken);
  return taken[taken.size() / 2];
}

void killHard(pid_t pid) {
  if (pid <= 1) {
    ADD_FAILURE() << "there is no process to kill (" << pid << ")";
    return;
  }
  ::kill(pid, SIGKILL);
}

std::uint64_t cpuTicks(pid_t pid) {
  const std::string stat = readWhole("/proc/" + std::to_string(pid) + "/stat");
  const auto after = stat.rfind(") ");
  if (after == std::string::npos) return 0;
  std::istringstream fields(stat.substr(after + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  std::uint64_t user = 0, system = 0;
  fields >> user >> system;
  return user + system;
}

std::vector<pid_t> processesMentioning(const std::string& text) {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos || name == std::to_string(::getpid())) continue;
    if (readWhole(entry.path().string() + "/cmdline").find(text) != std::string::npos) found.push_back(std::stoi(name));
  }
  return found;
}

std::size_t openDescriptors(pid_t pid) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& one : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) ++count;
  return count;
}

void writeText(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

}  // namespace agentos::test
