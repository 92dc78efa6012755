// SPDX-License-Identifier: Apache-2.0
// msg: mail to and from agents.
#include <memory>

#include "agentctl/fields.h"
#include "agentctl/groups.h"
#include "client/client.h"

namespace agentos::agentctl {
namespace {

struct SendArgs {
  std::string to, subject, body, task;
  bool urgent = false;
};

Result<int> send(Session& session, const SendArgs& args) {
  Json message = {{"to", args.to}, {"subject", args.subject}, {"body", args.body}, {"urgent", args.urgent}};
  if (!args.task.empty()) message["task"] = args.task;
  auto warning = args.to == "human" || args.to == "broadcast" ? "" : warningOfNobody(session, args.to);
  AGENTOS_TRY(auto made, session.post("/v1/messages", std::move(message)));
  session.out().record(made, textOf(made, "id"), "id");
  session.out().say(warning);
  return 0;
}

Result<int> inbox(Session& session, const std::string& name) {
  auto field = [](const char* path) { return [path](const Json& value) { return textOf(value, path); }; };
  static const std::vector<Column> columns = {
      {"ID", field("id")},
      {"FROM", field("from")},
      {"AGE", [](const Json& v) { return ageOf(v, "sent"); }, Column::Kind::kNumber},
      {"TASK", field("task")},
      {"URGENT", [](const Json& v) { return std::string(isTrue(v, "urgent") ? "yes" : ""); }},
      {"SUBJECT", field("subject")},
      {"BODY", field("body"), Column::Kind::kWide},
  };
  AGENTOS_TRY(auto items, session.list(client::pathOf("/v1/messages", {name})));
  session.out().list(items, columns, "id", "nothing lies unread in the inbox of " + name);
  return 0;
}

}  // namespace

void addMessageCommands(Command& root) {
  auto group = root.group("msg", "Mail to and from agents");
  auto sent = std::make_shared<SendArgs>();
  group
      .verb(
          "send", "Send a message; prints its id", [sent](Session& session) { return send(session, *sent); },
          Names::kContracts)
      .argument("TO", sent->to, "an agent's name, human or broadcast")
      .argument("SUBJECT", sent->subject, "one line")
      .argument("BODY", sent->body, "the text", false)
      .option("--task", sent->task, "the task it is about", "ID")
      .flag("--urgent", sent->urgent, "before other mail");
  auto whose = std::make_shared<std::string>("human");
  group
      .verb(
          "inbox", "Show unread mail", [whose](Session& session) { return inbox(session, *whose); }, Names::kContracts)
      .argument("NAME", *whose, "an agent's name, human (default) or broadcast", false);
}

}  // namespace agentos::agentctl
