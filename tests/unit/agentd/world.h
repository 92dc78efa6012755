// SPDX-License-Identifier: Apache-2.0
// The whole daemon with a fake clock and a fake spawner, on a company of the test's own. Time moves when the test says.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "../base/scratch_directory.h"
#include "agentd/daemon.h"
#include "fake_spawner.h"

namespace agentos::test {

using namespace std::chrono_literals;

class World {
 public:
  World() : World(std::make_unique<ScratchDirectory>()) {}
  // On a directory that an earlier world left.
  explicit World(const std::string& path) : root(path) { lay(); }
  explicit World(std::unique_ptr<ScratchDirectory> owned) : directory(std::move(owned)), root(directory->path()) {
    lay();
  }

  void lay() {
    config.user = "nobody";
    config.paths.prefix = root;
    config.company = root + "/acme";
    config.contracts = {root + "/etc/agents"};
    config.concurrentCycles = 4;
    config.recordsKept = 50;
    config.stopGrace = 10s;
    config.policy.programs = {"/bin/*"};
    if (!std::filesystem::exists(config.company))
      EXPECT_TRUE(company::Company::init(config.company, "Acme", "UTC").has_value());
    std::filesystem::create_directories(config.company + "/agents/contracts");
    std::filesystem::create_directories(config.contracts.front());
  }
  ~World() { kill(); }

  // A contract of root's: a shell command that is due when there is work.
  void contract(const std::string& name, const std::string& more = "schedule: { on: [task] }\n") {
    std::ofstream(config.contracts.front() + "/" + name + ".yaml")
        << "apiVersion: agentos/v0.2\nkind: AgentContract\nname: " << name << "\nbinding: flexible\n"
        << more << (more.find("run:") == std::string::npos ? "run: { mode: cycle, command: [\"/bin/true\"] }\n" : "");
  }
  TaskId task(const std::string& title, const std::string& assignedTo = "") {
    company::NewTask wanted;
    wanted.title = title;
    wanted.createdBy = "human";
    wanted.assignedTo = assignedTo;
    auto id = daemon->queue()->add(wanted);
    EXPECT_TRUE(id.has_value()) << (id ? "" : id.error().message());
    return id ? *id : TaskId();
  }

  Result<agentd::RecoveryReport> start() {
    auto made = agentd::Daemon::make({io, clock, spawner, agentd::Alarms::Mode::kManual}, config);
    if (!made) return std::unexpected(made.error());
    daemon = *std::move(made);
    auto report = await(daemon->start(Fd()));
    pass(10ms);
    return report;
  }
  // As kill -9 ends it: nothing is written any more, rooms go on.
  void kill() {
    daemon.reset();
    run();
  }
  Result<Json> reload(const std::string& actor = "uid:0") { return await(daemon->reload(actor)); }
  void stop(std::optional<agentd::StopAgents> agents = std::nullopt) {
    auto done = boost::asio::co_spawn(io, daemon->stop(agents), boost::asio::use_future);
    for (int i = 0; i < 1000 && !isReady(done); ++i) pass(100ms);
    ASSERT_TRUE(isReady(done)) << "stop does not end";
  }

  void run() {
    io.restart();
    while (io.poll() > 0) {
    }
  }
  // Moves the clock from one alarm to the next.
  void pass(Nanoseconds time) {
    run();
    while (daemon) {
      auto next = daemon->alarms().untilNext();
      if (!next || *next > time) break;
      const Nanoseconds step = std::max(*next, Nanoseconds(0));
      clock.advance(step);
      time -= step;
      daemon->alarms().fire();
      run();
    }
    clock.advance(time);
    run();
  }
  template <class T>
  T await(boost::asio::awaitable<T> task) {
    auto done = boost::asio::co_spawn(io, std::move(task), boost::asio::use_future);
    for (int i = 0; i < 100'000 && !isReady(done); ++i) run();
    EXPECT_TRUE(isReady(done)) << "it waits for something that does not come";
    return done.get();
  }
  template <class T>
  static bool isReady(const std::future<T>& future) {
    return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }

  company::TaskStatus status(const TaskId& id) {
    auto found = daemon->queue()->find(id);
    EXPECT_TRUE(found.has_value());
    return found ? found->status : company::TaskStatus::kBacklog;
  }
  // By name, in force.
  const std::map<AgentName, agentd::StoredContract>& contracts() { return daemon->contracts().all(); }
  std::vector<agentd::InstanceView> live() { return daemon->supervisor().list(false); }
  InstanceId only() {
    auto all = live();
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? InstanceId() : all.front().id;
  }
  std::size_t audited(const std::string& kind) {
    govern::AuditFilter filter;
    filter.kind = kind;
    auto found = govern::queryAudit(config.paths.audit(), filter);
    return found ? found->size() : 0;
  }

  std::unique_ptr<ScratchDirectory> directory;
  std::string root;
  agentd::Config config;
  boost::asio::io_context io;
  FakeClock clock{Timestamp(std::chrono::sys_days(std::chrono::year(2026) / 11 / 20) + std::chrono::hours(12))};
  FakeSpawner spawner{root + "/var/lib/agentd"};
  std::unique_ptr<agentd::Daemon> daemon;
};

}  // namespace agentos::test
