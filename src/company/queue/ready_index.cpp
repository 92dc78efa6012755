// SPDX-License-Identifier: Apache-2.0
#include "company/queue/ready_index.h"

#include <algorithm>
#include <tuple>

namespace agentos::company {
namespace {

constexpr std::size_t kMostCycleSteps = 100'000;
constexpr std::size_t kMostCycleNames = 8;

// task-2026-1120-999 before task-2026-1120-1000: the number grows past three digits.
bool isEarlierId(const std::string& a, const std::string& b) {
  constexpr std::size_t kDay = 14;  // "task-YYYY-MMDD"
  const int day = a.compare(0, kDay, b, 0, kDay);
  return day != 0 ? day < 0 : std::tuple(a.size(), std::string_view(a)) < std::tuple(b.size(), std::string_view(b));
}

// Calls `visit` with each assigned_to that means this agent: none, the whole name, and its parts up to each dash.
template <class Visit>
void forEachAssignee(const std::string& agent, Visit visit) {
  visit(std::string());
  for (std::size_t dash = agent.find('-', 1); dash != std::string::npos; dash = agent.find('-', dash + 1)) {
    visit(agent.substr(0, dash));
  }
  visit(agent);
}

}  // namespace

ReadyFacts readyFactsOf(const Task& task) {
  return {task.status,     task.priority,          task.created,  task.notBefore,
          task.assignedTo, interruptedAgent(task), task.dependsOn};
}

bool ReadyIndex::Order::operator()(const Node* a, const Node* b) const {
  if (a->facts.priority != b->facts.priority) return a->facts.priority < b->facts.priority;
  if (a->facts.created != b->facts.created) return a->facts.created < b->facts.created;
  return isEarlierId(a->id.str(), b->id.str());
}

bool ReadyIndex::Sooner::operator()(const Node* a, const Node* b) const {
  return std::tuple(*a->facts.notBefore, std::string_view(a->id.str())) <
         std::tuple(*b->facts.notBefore, std::string_view(b->id.str()));
}

void ReadyIndex::takeOut(Node& node) {
  if (node.place == Place::kNowhere) return;
  auto lines = lines_.find(node.facts.assignedTo);
  if (node.place == Place::kReady) {
    lines->second.ready.erase(&node);
    if (!node.facts.interrupted.empty()) interrupted_[node.facts.interrupted].erase(&node);
  } else if (node.place == Place::kBlocked) {
    lines->second.blocked.erase(&node);
  } else {
    lines->second.later.erase(&node);
    later_.erase(&node);
  }
  const Lines& left = lines->second;
  if (left.ready.empty() && left.blocked.empty() && left.later.empty()) lines_.erase(lines);
  node.place = Place::kNowhere;
  --waiting_;
}

void ReadyIndex::putIn(Node& node) {
  Lines& lines = lines_[node.facts.assignedTo];
  if (node.place == Place::kReady) {
    lines.ready.insert(&node);
    if (!node.facts.interrupted.empty()) interrupted_[node.facts.interrupted].insert(&node);
  } else if (node.place == Place::kBlocked) {
    lines.blocked.insert(&node);
  } else {
    lines.later.insert(&node);
    later_.insert(&node);
  }
  ++waiting_;
}

bool ReadyIndex::dependenciesDone(const Node& node) const {
  for (const TaskId& id : node.facts.dependsOn) {
    const auto found = nodes_.find(id);
    if (found == nodes_.end() ? !isDone_(id) : found->second.facts.status != TaskStatus::kDone) return false;
  }
  return true;
}

void ReadyIndex::evaluate(Node& node) {
  takeOut(node);
  if (node.facts.status != TaskStatus::kQueued) return;
  node.place = !dependenciesDone(node) ? Place::kBlocked : node.facts.notBefore ? Place::kLater : Place::kReady;
  putIn(node);
}

void ReadyIndex::evaluateDependents(const TaskId& id) {
  reasons_.clear();
  const auto dependents = dependents_.find(id);
  if (dependents == dependents_.end()) return;
  for (const TaskId& dependent : dependents->second) {
    if (const auto found = nodes_.find(dependent); found != nodes_.end()) evaluate(found->second);
  }
}

void ReadyIndex::put(const TaskId& id, ReadyFacts facts) {
  const auto [at, isNew] = nodes_.try_emplace(id);
  Node& node = at->second;
  node.id = id;
  takeOut(node);
  for (const TaskId& old : node.facts.dependsOn) dependents_[old].erase(id);
  const bool statusChanged = isNew || node.facts.status != facts.status;
  node.facts = std::move(facts);
  for (const TaskId& needed : node.facts.dependsOn) dependents_[needed].insert(id);
  if (loading_) return;
  evaluate(node);
  if (statusChanged || !node.facts.dependsOn.empty()) evaluateDependents(id);
}

void ReadyIndex::remove(const TaskId& id) {
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return;
  takeOut(found->second);
  for (const TaskId& needed : found->second.facts.dependsOn) dependents_[needed].erase(id);
  nodes_.erase(found);
  if (!loading_) evaluateDependents(id);
}

void ReadyIndex::endLoading() {
  loading_ = false;
  reasons_.clear();
  for (auto& [id, node] : nodes_) evaluate(node);
}

void ReadyIndex::recheckUnknown() {
  for (const auto& [needed, dependents] : dependents_) {
    if (!dependents.empty() && !nodes_.contains(needed)) evaluateDependents(needed);
  }
}

// not_before has passed: ready from now on, even if somebody sets the clock back.
void ReadyIndex::wakeLater(Timestamp now) {
  while (!later_.empty() && *(*later_.begin())->facts.notBefore <= now) {
    Node& node = **later_.begin();
    takeOut(node);
    node.place = Place::kReady;
    putIn(node);
  }
}

NextTask ReadyIndex::next(const AgentName& agent, Timestamp now) {
  wakeLater(now);
  if (waiting_ == 0) return {};
  if (const auto own = interrupted_.find(agent.str()); own != interrupted_.end()) {
    for (const Node* node : own->second) {
      if (isAssignedTo(node->facts.assignedTo, agent)) return {.task = node->id};
    }
  }
  const Node *best = nullptr, *blocked = nullptr, *later = nullptr;
  forEachAssignee(agent.str(), [&](const std::string& assignee) {
    const auto found = lines_.find(assignee);
    if (found == lines_.end()) return;
    const Lines& lines = found->second;
    if (!lines.ready.empty() && (best == nullptr || Order{}(*lines.ready.begin(), best))) best = *lines.ready.begin();
    if (!lines.blocked.empty() && (blocked == nullptr || Order{}(*lines.blocked.begin(), blocked))) {
      blocked = *lines.blocked.begin();
    }
    if (!lines.later.empty() && (later == nullptr || Sooner{}(*lines.later.begin(), later)))
      later = *lines.later.begin();
  });
  if (best != nullptr) return {.task = best->id};
  NextTask none;
  none.why = blocked != nullptr || later != nullptr ? Idleness::kBlocked : Idleness::kStarved;
  if (later != nullptr) {
    none.retryAt = later->facts.notBefore;
    none.detail = later->id.str() + " waits until " + formatUtc(*later->facts.notBefore);
  }
  if (blocked != nullptr) none.detail = dependencyReason(*blocked);
  return none;
}

std::string ReadyIndex::blockedBecause(const TaskId& id, Timestamp now) {
  wakeLater(now);
  const auto found = nodes_.find(id);
  if (found == nodes_.end() || found->second.place == Place::kReady) return {};
  const Node& node = found->second;
  if (node.place == Place::kLater) return id.str() + " waits until " + formatUtc(*node.facts.notBefore);
  return node.place == Place::kBlocked ? dependencyReason(node) : "";
}

std::string ReadyIndex::dependencyReason(const Node& node) const {
  auto [reason, isNew] = reasons_.try_emplace(node.id);
  if (!isNew) return reason->second;
  reason->second = cycleThrough(node);
  for (const TaskId& id : node.facts.dependsOn) {
    if (!reason->second.empty()) break;
    const auto found = nodes_.find(id);
    if (found == nodes_.end()) {
      if (!isDone_(id)) reason->second = node.id.str() + " waits for " + id.str() + " (does not exist)";
    } else if (found->second.facts.status != TaskStatus::kDone) {
      reason->second =
          node.id.str() + " waits for " + id.str() + " (" + std::string(directoryOf(found->second.facts.status)) + ")";
    }
  }
  return reason->second;
}

// Depth first along unfinished dependencies, without recursion: a chain may be as long as the queue.
std::string ReadyIndex::cycleThrough(const Node& start) const {
  std::vector<std::pair<const Node*, std::size_t>> path{{&start, 0}};
  std::set<const Node*> seen{&start};
  for (std::size_t steps = 0; !path.empty() && steps < kMostCycleSteps; ++steps) {
    auto& [node, index] = path.back();
    if (index == node->facts.dependsOn.size()) {
      path.pop_back();
      continue;
    }
    const auto found = nodes_.find(node->facts.dependsOn[index++]);
    if (found == nodes_.end() || found->second.facts.status == TaskStatus::kDone) continue;
    if (&found->second == &start) {
      std::string words = start.id.str() + " is blocked by a cycle: ";
      for (std::size_t i = 0; i < std::min(path.size(), kMostCycleNames); ++i) words += path[i].first->id.str() + " → ";
      return words + (path.size() > kMostCycleNames ? "… → " : "") + start.id.str();
    }
    if (seen.insert(&found->second).second) path.emplace_back(&found->second, 0);
  }
  return {};
}

}  // namespace agentos::company
