// SPDX-License-Identifier: Apache-2.0
#include "agentd/event_kinds.h"

#include <algorithm>

#include "base/journal.h"

namespace agentos::agentd {
namespace {

constexpr EventKind kKinds[] = {
    {"agentd.started", "e9178ccc93fd40fa93bf5c784a42c2b7", LogLevel::kNotice, "started"},
    {"agentd.recovered", "d578020dac40442685c3d2da77d03bfe", LogLevel::kNotice, "recovered"},
    {"agentd.reloaded", "446db8ad502c4c219781cf0c5755f1be", LogLevel::kNotice, "reloaded"},
    {"agentd.stopping", "4c49a0b39dcf43df9a715e71fb4ca066", LogLevel::kNotice, "stopping"},
    {"agentd.stopped", "1c393a69811f4b538aa16076e44312d8", LogLevel::kNotice, "stopped"},
    {"agentd.halted", "e0de46e008584232b30a4a5c14ab8dff", LogLevel::kWarning, "everything is halted"},
    {"agentd.unhalted", "df2bd83b339a4d9596a2ad3662f993ad", LogLevel::kNotice, "the halt is lifted"},
    {"agentd.part_ended", "81e377047a834eb691a12742f47a3f94", LogLevel::kError, "a part has ended"},
    {"agentd.disk_failed", "dceb35d30b124f9aa179f3bdf232f4c1", LogLevel::kCritical,
     "the disk did not keep what was committed"},
    {"agentd.log_lost", "95ace1d5c85545e1a8545877ca6254a4", LogLevel::kWarning, "log lines were lost"},
    {"audit.cut", "2cb60bea87d04968a7152d8b03efde0e", LogLevel::kWarning,
     "an incomplete last line was cut off the audit log"},
    {"audit.reopened", "31eed43a3e6843b6a53caff384b9d70a", LogLevel::kWarning, "the audit log takes events again"},
    {"audit.anchored", "94613e348bb441cbb3c13d012ca2b9d6", LogLevel::kInfo, "the audit log is anchored"},
    {"audit.anchor_failed", "54b0ed52c3164c7eb510254b0ba4e400", LogLevel::kError, "the audit log cannot be anchored"},
    {"instance.starting", "7c207c26ba824299a53d7520eda200c5", LogLevel::kDebug, "starting"},
    {"instance.started", "b26d27702a624e46b6c5dd2e5a8c4f3b", LogLevel::kInfo, "started"},
    {"instance.ready", "8ad49d888f0d4d019d9886041f392170", LogLevel::kInfo, "ready"},
    {"instance.unhealthy", "cf0be56ec1d5453ba9ee62d3079f77cb", LogLevel::kWarning, "unhealthy"},
    {"instance.healthy", "eb1fa46c98e74100b64551e240aa1b0d", LogLevel::kInfo, "healthy again"},
    {"instance.adopted", "7cfb64cac6e2497e94d5b1a0048511ce", LogLevel::kInfo, "adopted"},
    {"instance.paused", "4c0fdcd6d13a4f0489dda1f230d9e18f", LogLevel::kInfo, "paused"},
    {"instance.resumed", "8932143da7b24a6bbc816b980c13e489", LogLevel::kInfo, "resumed"},
    {"instance.preempted", "4fe30c14f90b4188a39a4bbe398055a4", LogLevel::kInfo, "preempted under pressure"},
    {"instance.relieved", "20998ad157a6474a8d541b580a5c5e0e", LogLevel::kInfo, "goes on after the pressure"},
    {"instance.signalled", "1c58253494e54b938103750c4572e71a", LogLevel::kInfo, "signalled"},
    {"instance.stopping", "f0bb3728bd934a0e848f4b485f6185c4", LogLevel::kInfo, "stopping"},
    {"instance.ended", "4f67ffd867a24c28a52e64ff161306e6", LogLevel::kInfo, "ended"},
    {"instance.oom", "7f23ab4e20274c17bb0ca99a80fef445", LogLevel::kWarning, "ended, out of memory"},
    {"instance.limit", "ab880bbba1564c5ab6760a40891be357", LogLevel::kWarning, "ended at a limit"},
    {"instance.lost", "2a2d235122ff4c58a30f9cd40a872b4a", LogLevel::kError, "lost"},
    {"instance.refused", "14957c1b91444bc785cd7f75e350f281", LogLevel::kWarning, "refused"},
    {"instance.restarting", "b8d7962227a44f8b8e4fe7de0cb9e64d", LogLevel::kNotice, "starting again"},
    {"instance.not_restarted", "45749e598f97469bacb9acabee0d3d39", LogLevel::kWarning, "not started again"},
    {"instance.failed", "be20294bd0bc46bf867ac210f28918bc", LogLevel::kError, "failed for good"},
    {"instance.dropped", "2db560d298c249fcba87179d142934cb", LogLevel::kNotice, "its dead letter was dropped"},
    {"instance.swept", "735f73d138ad49c3a4b3557d5e1b08bc", LogLevel::kWarning, "swept"},
    {"limit.memory", "5f11164d68e34cc9836757f9a4d8b63a", LogLevel::kWarning,
     "out of memory, a program of it was ended"},
    {"limit.memory_high", "a703e9a81aef4b36834a9e1ae13e5ce6", LogLevel::kNotice, "slowed down for want of memory"},
    {"limit.pids", "6412a7f3adce457e971409fe8d6dd762", LogLevel::kWarning, "refused another process"},
    {"limit.cpu", "906f331527af42a1bc659969b6dbd5ec", LogLevel::kNotice, "held back at its share of the processors"},
    {"limit.io", "f696d5e36a1d48daa5c4f197c003da34", LogLevel::kNotice, "held back at its share of a disk"},
    {"limit.disk", "daf9e8f08c5e46f5896c84632b692ac5", LogLevel::kWarning, "its scratch is full"},
    {"overlay.made", "0ac6c4d53f7a4f1d9c4a6d4be1f0c6a1", LogLevel::kDebug, "changes are kept apart"},
    {"overlay.held", "5d4f7e0b8c524b63a3f1f5bd0d2e9a72", LogLevel::kNotice, "changes wait for a decision"},
    {"overlay.committed", "e2b9a1c86d3b4a0f8f6e0f7c1b5d4e93", LogLevel::kNotice, "changes committed"},
    {"overlay.refused", "9f1c3d7a2b6e4c58b0d7a4e5f6c8b1d4", LogLevel::kWarning, "changes not committed"},
    {"overlay.discarded", "c47e5b19d8f04e2ab6c3d1f0a9e8b7c5", LogLevel::kInfo, "changes thrown away"},
    {"task.created", "2a23ba15ac78427c997cabad3c909f22", LogLevel::kInfo, "new task"},
    {"task.claimed", "16671a6951484f6785b45d3e60cbbd13", LogLevel::kInfo, "claimed"},
    {"task.completed", "22aab2a410c04358a6b767e1612167c6", LogLevel::kInfo, "completed"},
    {"task.failed", "4a5ccdb3c1f04637b8c74fe9a9ae2f32", LogLevel::kWarning, "failed"},
    {"task.requeued", "5edc7c637964412189c0d15fe26f9a29", LogLevel::kNotice, "back in the queue"},
    {"task.dead_lettered", "0dbb9d6e769d4deb9e122abcc6a264e3", LogLevel::kError, "given up"},
    {"task.submitted", "5e5f23ab3edb41bfaf8a170c0ec49d4a", LogLevel::kInfo, "submitted for review"},
    {"task.declined", "b95ecf902e2e452ca3764a3878644597", LogLevel::kNotice, "declined"},
    {"task.promoted", "fcc043636d1a46af99b1c789d57fc1d8", LogLevel::kInfo, "promoted"},
    {"task.demoted", "a55075452d4a4c229c8192422d581df1", LogLevel::kInfo, "demoted"},
    {"task.quarantined", "b395adf34f9e40c08f4e75a12b10b1ae", LogLevel::kWarning, "quarantined"},
    {"task.moved_outside", "5e6f2a36446947878c6d497d3a61a383", LogLevel::kNotice, "moved by hand"},
    {"task.edited_outside", "7b157d54683f403d84abb668fb724858", LogLevel::kInfo, "edited by hand"},
    {"task.appeared", "352b01e74e01494b9e1dbeede385ed63", LogLevel::kInfo, "appeared"},
    {"task.unreadable", "04bd5a2988eb4e23a1685a377f1e60eb", LogLevel::kWarning, "unreadable"},
    {"task.verdict_ignored", "888bd0cdbc8d4bc091945d05379faa01", LogLevel::kWarning, "its word came too late"},
    {"cycle.held", "db2c46b14c0e427cb4416ad8665eed9b", LogLevel::kNotice, "held"},
    {"cycle.released", "ba6dd9eac0c6474b9a61f763c72daee8", LogLevel::kNotice, "released"},
    {"costs.exported", "09016f6fdf9d4742b1987761825923b7", LogLevel::kInfo, "costs exported"},
    {"message.sent", "21e160c650c84da5b589606d3e47b933", LogLevel::kDebug, "message sent"},
    {"model.settled", "4625e5cc6ce244b886e8353c4082368a", LogLevel::kDebug, "model call settled"},
    {"denied", "99542b04d01b40bc82e4da520112111b", LogLevel::kWarning, "denied"},
    {"egress.refused", "efd53cb5806b4297991ee297fecb52bb", LogLevel::kWarning, "not let out"},
    {"egress.summary", "a068ec4aba9444419a4026c4d48da47e", LogLevel::kInfo, "what left the room"},
    {"egress.unrestricted", "31b10056aef340ec8d163949173f76c9", LogLevel::kNotice, "an open network"},
};

constexpr std::size_t kLongestReason = 500, kLongestValue = 120;

std::string shortened(const std::string& text, std::size_t most) {
  if (text.size() <= most) return text;
  auto end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

// Of a plain value; empty for a list or an object, which stand in AGENTD_DATA, and for what is none.
std::string plain(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>();
  return value.is_number() || value.is_boolean() ? dumpJson(value) : "";
}

constexpr std::string_view kReasons[] = {"reason", "why", "detail"};

std::string reasonOf(const Json& data) {
  for (const auto name : kReasons) {
    auto found = data.find(name);
    if (found == data.end()) continue;
    if (auto text = plain(*found); !text.empty()) return ": " + shortened(text, kLongestReason);
  }
  return "";
}

std::string restOf(const Json& data) {
  std::string rest;
  for (const auto& member : data.items()) {
    if (std::ranges::find(kReasons, member.key()) != std::end(kReasons)) continue;
    if (auto text = plain(member.value()); !text.empty())
      rest += " " + member.key() + "=" + shortened(text, kLongestValue);
  }
  return rest;
}

}  // namespace

std::span<const EventKind> eventKinds() { return kKinds; }

EventKind eventKind(std::string_view name) {
  const auto* found = std::ranges::find(kKinds, name, &EventKind::kind);
  return found != std::end(kKinds) ? *found : EventKind{name, "", LogLevel::kInfo, name};
}

EventKind kindOf(const govern::AuditEvent& event) {
  if (event.kind != "instance.ended" || !event.data.is_object()) return eventKind(event.kind);
  auto exit = event.data.find("exit");
  if (exit != event.data.end() && exit->is_object()) {
    auto kills = exit->find("oom_kills");
    if (kills != exit->end() && kills->is_number_integer() && *kills > 0) return eventKind("instance.oom");
  }
  return eventKind(event.data.contains("limit") ? "instance.limit" : event.kind);
}

std::string textOf(const govern::AuditEvent& event) {
  const std::string& who = !event.instance.empty() ? event.instance : !event.agent.empty() ? event.agent : event.task;
  std::string text = (who.empty() ? "" : who + ": ") + std::string(kindOf(event).words);
  if (event.data.is_object()) text += reasonOf(event.data);
  if (!event.task.empty() && event.task != who) text += " task=" + event.task;
  if (event.data.is_object()) text += restOf(event.data);
  return harmlessLine(text);
}

}  // namespace agentos::agentd
