// SPDX-License-Identifier: Apache-2.0
// logs and events.
#include <memory>

#include "agentctl/fields.h"
#include "agentctl/follow.h"
#include "agentctl/groups.h"
#include "client/client.h"

namespace agentos::agentctl {
namespace {

struct LogArgs {
  std::string id, since;
  std::int64_t lines = -1;
  bool follow = false, stderrOnly = false, stdoutOnly = false;
};

// Frames of one log as they come, {"time","stream","text"} a line. Remembers where it stands, so that a stream that
// broke goes on: by the time of the last frame, and how many frames of that time were shown.
class LogReader {
 public:
  LogReader(Session& session, const LogArgs& args, std::string since)
      : session_(session), args_(args), last_(std::move(since)) {}

  Result<void> connect() {
    skip_ = shownAtLast_;
    buffer_.clear();
    Query query = {{"since", last_}, {"follow", args_.follow ? "1" : ""}};
    if (args_.lines >= 0 && !connected_) query.emplace_back("tail", std::to_string(args_.lines));
    return session_.client().stream({.path = client::pathOf("/v1/agents", {args_.id, "logs"}),
                                     .query = std::move(query),
                                     .accept = "application/x-ndjson"},
                                    [this](std::string_view bytes) { return take(bytes); });
  }
  const bool& connected() const { return connected_; }

 private:
  bool take(std::string_view bytes) {
    connected_ = true;
    buffer_ += bytes;
    std::size_t begin = 0;
    for (std::size_t end; (end = buffer_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      if (auto frame = parseJson(std::string_view(buffer_).substr(begin, end - begin))) show(*frame);
    }
    buffer_.erase(0, begin);
    return true;
  }

  void show(const Json& frame) {
    auto time = textOf(frame, "time");
    bool sameTime = time == last_;
    if (sameTime && skip_ > 0) {
      --skip_;
      return;
    }
    shownAtLast_ = sameTime ? shownAtLast_ + 1 : 1;
    last_ = time;
    auto stream = textOf(frame, "stream");
    if ((args_.stderrOnly && stream != "stderr") || (args_.stdoutOnly && stream != "stdout")) return;
    auto text = textOf(frame, "text");
    if (text.ends_with('\n')) text.pop_back();
    if (session_.out().format() == Format::kWide) text = time + " " + stream + " " + text;
    // A line that is longer than a frame comes in pieces.
    if (isTrue(frame, "partial") && session_.out().format() == Format::kTable) return session_.out().write(text);
    session_.out().record(frame, text, "text");
  }

  Session& session_;
  const LogArgs& args_;
  std::string last_, buffer_;
  std::size_t shownAtLast_ = 0, skip_ = 0;
  bool connected_ = false;
};

Result<int> showLog(Session& session, const LogArgs& args) {
  AGENTOS_TRY(auto since, timeArgument(args.since));
  LogReader reader(session, args, since);
  if (args.follow) return keepFollowing(session, [&reader] { return reader.connect(); }, {reader.connected(), true});
  AGENTOS_CHECK(reader.connect());
  return 0;
}

}  // namespace

Command addEventsVerb(Command& parent) {
  struct Args {
    EventsWanted wanted;
    std::string kind, agent, task;
  };
  auto args = std::make_shared<Args>();
  return parent
      .verb("events", "Show what happens, from the audit log",
            [args](Session& session) {
              auto wanted = args->wanted;
              wanted.filter = {{"kind", args->kind}, {"agent", args->agent}, {"task", args->task}};
              return showEvents(session, wanted);
            })
      .flag("-f,--follow", args->wanted.follow, "go on with every event as it happens")
      .number("-n,--lines", args->wanted.count, "how many of the newest (20)")
      .option("--kind", args->kind, "only these: a name or a pattern", "task.*")
      .option("--agent", args->agent, "only of this agent", "NAME")
      .option("--task", args->task, "only of this task", "ID");
}

void addLogCommands(Command& root) {
  auto args = std::make_shared<LogArgs>();
  root.verb(
          "logs", "Show what an agent wrote", [args](Session& session) { return showLog(session, *args); },
          Names::kAgents)
      .argument("ID", args->id, "an instance id, the beginning of one, or an agent's name")
      .flag("-f,--follow", args->follow, "go on as it writes, until it ends")
      .option("--since", args->since, "only what is newer: 10m, or an RFC 3339 time", "TIME")
      .number("-n,--lines", args->lines, "only the newest so many lines")
      .flag("--stderr", args->stderrOnly, "only what it wrote to stderr")
      .flag("--stdout", args->stdoutOnly, "only what it wrote to stdout")
      .heading("Agents");
  addEventsVerb(root).heading("Agents");
}

}  // namespace agentos::agentctl
