// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/merged_log.h"

#include <iterator>
#include <utility>

#include "agentd/event_kinds.h"
#include "base/journal.h"
#include "govern/line.h"

namespace agentos::agentd {
namespace {

constexpr std::size_t kLineCost = 128;  // beside its text

std::size_t costOf(const LogLine& line) {
  if (const auto* frame = std::get_if<sandbox::LogFrame>(&line)) return frame->text.size() + kLineCost;
  return dumpJson(std::get<govern::AuditEntry>(line).event.data).size() + 4 * kLineCost;
}

// Pieces of a line count with its last one.
bool isWhole(const LogLine& line) {
  const auto* frame = std::get_if<sandbox::LogFrame>(&line);
  return frame == nullptr || !frame->partial;
}

}  // namespace

bool isEnd(const govern::AuditEvent& event) {
  return event.kind == "instance.ended" || event.kind == "instance.lost" || event.kind == "instance.refused";
}

MergedLog::MergedLog(std::optional<sandbox::LogReader> output, std::optional<govern::AuditReader> events,
                     std::function<bool(const govern::AuditEntry&)> about)
    : output_(std::move(output)), events_(std::move(events)), about_(std::move(about)) {}

// So that each source that has something more has its next line here.
Result<void> MergedLog::fill() {
  if (frames_.empty() && !framesDry_) {
    std::vector<sandbox::LogFrame> frames;
    if (output_) {
      AGENTOS_TRY(frames, output_->next());
    }
    framesDry_ = frames.empty();
    for (auto& frame : frames) frames_.push_back(std::move(frame));
  }
  while (entries_.empty() && !entriesDry_) {
    std::vector<govern::AuditEntry> entries;
    if (events_) {
      AGENTOS_TRY(entries, events_->next());
    }
    entriesDry_ = entries.empty();
    for (auto& entry : entries) {
      if (!about_ || about_(entry)) entries_.push_back(std::move(entry));
    }
  }
  return {};
}

bool MergedLog::eventIsNext() const {
  if (frames_.empty() || entries_.empty()) return frames_.empty();
  const auto& event = entries_.front();
  const auto& frame = frames_.front();
  return event.time < frame.time || (event.time == frame.time && !isEnd(event.event));
}

Result<LogLines> MergedLog::next(std::size_t maxBytes) {
  framesDry_ = entriesDry_ = false;
  LogLines lines;
  for (std::size_t bytes = 0; bytes < maxBytes; bytes += costOf(lines.back())) {
    AGENTOS_CHECK(fill());
    if (frames_.empty() && entries_.empty()) break;
    if (eventIsNext()) {
      lines.emplace_back(std::move(entries_.front()));
      entries_.pop_front();
    } else {
      lines.emplace_back(std::move(frames_.front()));
      frames_.pop_front();
    }
  }
  return lines;
}

Result<LogLines> MergedLog::last(std::size_t lines, std::size_t maxBytes) {
  std::deque<LogLine> kept;
  std::size_t whole = 0, bytes = 0;
  while (true) {
    AGENTOS_TRY(auto page, next());
    if (page.empty()) break;
    for (auto& line : page) {
      whole += isWhole(line) ? 1 : 0;
      bytes += costOf(line);
      kept.push_back(std::move(line));
      while (whole > lines || (bytes > maxBytes && kept.size() > 1)) {
        whole -= isWhole(kept.front()) ? 1 : 0;
        bytes -= costOf(kept.front());
        kept.pop_front();
      }
    }
  }
  return LogLines(std::make_move_iterator(kept.begin()), std::make_move_iterator(kept.end()));
}

std::string jsonLine(const LogLine& line) {
  if (const auto* frame = std::get_if<sandbox::LogFrame>(&line)) {
    Json json{{"kind", "output"},
              {"time", formatUtc(frame->time)},
              {"stream", sandbox::kStreamNames.at(std::to_underlying(frame->stream))},
              {"text", frame->text}};
    if (frame->partial) json["partial"] = true;
    return dumpJson(json) + "\n";
  }
  const auto& entry = std::get<govern::AuditEntry>(line);
  Json json = govern::toJson(entry);
  json["kind"] = "event";
  json["event"] = entry.event.kind;
  json["text"] = textOf(entry.event);
  return dumpJson(json) + "\n";
}

std::string plainText(const LogLine& line) {
  if (const auto* frame = std::get_if<sandbox::LogFrame>(&line)) return frame->text + (frame->partial ? "" : "\n");
  const auto& entry = std::get<govern::AuditEntry>(line);
  return "-- " + formatUtc(entry.time) + " " + harmlessLine(entry.event.kind) + " " + textOf(entry.event) + "\n";
}

}  // namespace agentos::agentd
