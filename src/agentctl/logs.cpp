// SPDX-License-Identifier: Apache-2.0
// logs and events.
#include <algorithm>
#include <memory>
#include <utility>

#include "agentctl/fields.h"
#include "agentctl/follow.h"
#include "agentctl/groups.h"
#include "client/client.h"

namespace agentos::agentctl {
namespace {

struct LogArgs {
  std::string id, since, run;
  std::int64_t lines = -1;
  bool follow = false, stderrOnly = false, stdoutOnly = false, outputOnly = false, eventsOnly = false;
};

Result<std::string> showOf(const LogArgs& args) {
  const bool output = args.outputOnly || args.stderrOnly || args.stdoutOnly;
  if (output && args.eventsOnly) {
    return fail(ErrorCode::kInvalidArgument, "--events-only leaves nothing of the output to choose from",
                "one of --events-only, --output-only, --stdout, --stderr");
  }
  return output ? "output" : args.eventsOnly ? "events" : "all";
}

// Lines of one log as they come: {"kind":"output","time","stream","text"} or {"kind":"event",…}. Remembers where it
// stands, so that a stream that broke goes on: in the output by the time of the last frame, and how many frames of that
// time were shown; in the events by the number of the last.
class LogReader {
 public:
  LogReader(Session& session, const LogArgs& args, std::string since, std::string show)
      : session_(session), args_(args), show_(std::move(show)), last_(std::move(since)) {}

  Result<void> connect() {
    skip_ = shownAtLast_;
    buffer_.clear();
    Query query = {
        {"since", last_}, {"follow", args_.follow ? "1" : ""}, {"show", show_}, {"after", after_}, {"run", args_.run}};
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

  void show(const Json& line) {
    if (textOf(line, "kind") == "event") {
      showEvent(line);
    } else {
      showFrame(line);
    }
  }

  void showEvent(const Json& event) {
    if (auto seq = textOf(event, "seq"); !seq.empty()) after_ = std::move(seq);
    auto text = "-- " + textOf(event, "time") + " " + textOf(event, "event") + " " + textOf(event, "text");
    std::ranges::replace_if(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
    if (session_.out().isTable() && std::exchange(midLine_, false)) session_.out().line("");
    session_.out().record(event, text, "event");
  }

  void showFrame(const Json& frame) {
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
    midLine_ = isTrue(frame, "partial") && session_.out().format() == Format::kTable;
    if (midLine_) return session_.out().write(text);
    session_.out().record(frame, text, "text");
  }

  Session& session_;
  const LogArgs& args_;
  std::string show_, last_, after_, buffer_;
  std::size_t shownAtLast_ = 0, skip_ = 0;
  bool connected_ = false, midLine_ = false;
};

Result<int> showLog(Session& session, const LogArgs& args) {
  AGENTOS_TRY(auto since, timeArgument(args.since));
  AGENTOS_TRY(auto show, showOf(args));
  LogReader reader(session, args, since, std::move(show));
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
          "logs", "Show what an agent wrote and what happened to it",
          [args](Session& session) { return showLog(session, *args); }, Names::kAgents)
      .argument("ID", args->id, "an instance id, the beginning of one, or an agent's name")
      .flag("-f,--follow", args->follow, "go on as it writes, until it ends")
      .option("--since", args->since, "only what is newer: 10m, or an RFC 3339 time", "TIME")
      .number("-n,--lines", args->lines, "only the newest so many lines")
      .option("--run", args->run, "that run of the agent, by its id or the end of it", "ID")
      .flag("--output-only", args->outputOnly, "only what it wrote")
      .flag("--events-only", args->eventsOnly, "only what agentd recorded about it")
      .flag("--stderr", args->stderrOnly, "only what it wrote to stderr")
      .flag("--stdout", args->stdoutOnly, "only what it wrote to stdout")
      .heading("Agents");
  addEventsVerb(root).heading("Agents");
}

}  // namespace agentos::agentctl
