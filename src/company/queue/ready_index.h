// SPDX-License-Identifier: Apache-2.0
// Which task comes next for whom, in memory: queued tasks ordered by assignee, so that an agent's question costs a few
// look-ups however long the queue is. Pure: no files, no clock of its own.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "company/task_queue.h"

namespace agentos::company {

// What decides the order and the readiness of a task.
struct ReadyFacts {
  TaskStatus status = TaskStatus::kQueued;
  Priority priority = Priority::kMedium;
  Timestamp created;
  std::optional<Timestamp> notBefore;
  std::string assignedTo, interrupted;  // interrupted: the agent that is to take it up again
  std::vector<TaskId> dependsOn;
};
ReadyFacts readyFactsOf(const Task& task);

class ReadyIndex {
 public:
  // `isDone` answers for ids that were never put: archived tasks.
  explicit ReadyIndex(std::function<bool(const TaskId&)> isDone) : isDone_(std::move(isDone)) {}

  void put(const TaskId& id, ReadyFacts facts);
  void remove(const TaskId& id);
  // Between these two, put() only collects: dependencies are looked at once, at the end.
  void beginLoading(std::size_t expected) {
    loading_ = true;
    nodes_.reserve(expected);
  }
  void endLoading();
  // An archived task appeared or went: whoever waits for ids that are not here is looked at again.
  void recheckUnknown();

  NextTask next(const AgentName& agent, Timestamp now);
  // Why a queued task cannot be claimed now: not_before or its dependencies. Empty when it can.
  std::string blockedBecause(const TaskId& id, Timestamp now);

 private:
  enum class Place : std::uint8_t { kNowhere, kReady, kLater, kBlocked };
  struct Node {
    TaskId id;
    ReadyFacts facts;
    Place place = Place::kNowhere;
  };
  struct Order {
    bool operator()(const Node* a, const Node* b) const;
  };
  struct Sooner {
    bool operator()(const Node* a, const Node* b) const;
  };
  using Line = std::set<Node*, Order>;
  struct Lines {
    Line ready, blocked;            // blocked: by a dependency
    std::set<Node*, Sooner> later;  // by not_before
  };

  void takeOut(Node& node);
  void putIn(Node& node);
  void evaluate(Node& node);
  void evaluateDependents(const TaskId& id);
  bool dependenciesDone(const Node& node) const;
  void wakeLater(Timestamp now);
  std::string dependencyReason(const Node& node) const;
  std::string cycleThrough(const Node& node) const;

  std::function<bool(const TaskId&)> isDone_;
  std::unordered_map<TaskId, Node> nodes_;
  std::unordered_map<TaskId, std::set<TaskId>> dependents_;
  std::unordered_map<std::string, Lines> lines_;       // by assignee, "" for anybody
  std::unordered_map<std::string, Line> interrupted_;  // ready ones, by the agent they belong to
  std::set<Node*, Sooner> later_;
  std::size_t waiting_ = 0;  // queued tasks in all lines
  // The reason for a blocked task is worked out when somebody asks and kept until anything changes.
  mutable std::unordered_map<TaskId, std::string> reasons_;
  bool loading_ = false;
};

}  // namespace agentos::company
