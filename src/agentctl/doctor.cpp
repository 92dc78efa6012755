// SPDX-License-Identifier: Apache-2.0
#include "agentctl/doctor.h"

#include <fcntl.h>

#include <algorithm>

#include "agentctl/fields.h"
#include "agentctl/version.h"
#include "base/files.h"
#include "company/layout.h"
#include "company/task.h"

namespace agentos::agentctl {
namespace {

constexpr std::size_t kMaxTask = 1 << 20;

void examineTask(int dirFd, const std::string& directory, const std::string& name, company::TaskStatus status,
                 std::vector<Finding>& findings) {
  std::string path = directory + "/" + name;
  auto id = name.ends_with(".md") ? TaskId::parse(std::string_view(name).substr(0, name.size() - 3))
                                  : Result<TaskId>(fail(ErrorCode::kIdMalformed, name));
  if (!id) {
    findings.push_back({"warning", path + " is no task and is ignored", "tasks are named task-YYYY-MMDD-NNN.md"});
    return;
  }
  auto text = readFile(dirFd, name, kMaxTask);
  if (!text) {
    bool closed = text.error().sysErrno == EACCES;
    findings.push_back({"failed", path + " cannot be read: " + text.error().message(),
                        closed ? "sudo chmod g+rw '" + path + "'" : ""});
    return;
  }
  auto task = company::parseTask(*text, *id, status);
  if (!task) findings.push_back({"failed", path + ": " + task.error().what, task.error().remedy});
}

Result<void> examineTasks(int root, const std::string& directory, std::vector<Finding>& findings) {
  for (auto status : company::kAllTaskStatuses) {
    std::string relative = "agents/tasks/" + std::string(company::directoryOf(status));
    auto folder = openBeneath(root, relative, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!folder) {
      findings.push_back({"failed", directory + "/" + relative + ": " + folder.error().message(),
                          "mkdir -p '" + directory + "/" + relative + "'"});
      continue;
    }
    AGENTOS_TRY(auto names, listDirectory(folder->get()));
    for (const auto& name : names) {
      if (name != "_archive") examineTask(folder->get(), directory + "/" + relative, name, status, findings);
    }
  }
  return {};
}

void examineQuarantine(int root, const std::string& directory, std::vector<Finding>& findings) {
  auto folder = openBeneath(root, "operations/quarantine", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (!folder) return;
  auto names = listDirectory(folder->get());
  if (!names) return;
  for (const auto& name : *names) {
    if (name.ends_with(".reason")) continue;
    auto reason = readFile(folder->get(), name + ".reason").value_or("no reason is kept");
    reason.erase(reason.find_last_not_of('\n') + 1);
    findings.push_back({"warning", directory + "/operations/quarantine/" + name + ": " + reason,
                        "mend it and move it back into agents/tasks/queued"});
  }
}

Finding examineSettings(int root, const std::string& directory) {
  auto text = readFile(root, "company.yaml");
  if (!text)
    return {"failed", directory + "/company.yaml: " + text.error().message(), "agentctl company init makes a company"};
  auto settings = company::parseCompanySettings(*text, directory + "/company.yaml");
  if (!settings) return {"failed", settings.error().front().message(), ""};
  return {"ok", "company.yaml: " + settings->name + ", " + settings->timezone, ""};
}

Finding examineReadiness(Session& session) {
  auto ready = session.get("/readyz");
  if (ready) return {"ok", "agentd is ready", ""};
  return {"failed", ready.error().what, ready.error().remedy};
}

Finding examineVersion(const Json& system) {
  auto theirs = textOf(system, "version");
  if (theirs == kVersion) return {"ok", "agentd and agentctl are version " + theirs, ""};
  return {"warning", "agentd is version " + theirs + ", agentctl " + kVersion,
          "install both from the same package, and restart agentd"};
}

// "what; remedy", as the daemon writes its messages.
Finding warningOf(const Json& warning) {
  auto text = warning.is_string() ? warning.get<std::string>() : dumpJson(warning);
  auto semicolon = text.rfind("; ");
  if (semicolon == std::string::npos) return {"warning", text, ""};
  return {"warning", text.substr(0, semicolon), text.substr(semicolon + 2)};
}

// Limits that somebody asked for and this machine does not hold.
void examineEnforcement(Session& session, std::vector<Finding>& findings) {
  auto agents = session.list("/v1/agents");
  if (!agents) return;
  for (const auto& agent : *agents) {
    auto missing = textOf(agent, "enforcement.missing");
    if (!missing.empty())
      findings.push_back(
          {"warning", textOf(agent, "id") + " runs without " + missing, "agentctl status " + textOf(agent, "id")});
  }
}

Finding examineAudit(Session& session) {
  auto verdict = session.get("/v1/audit/verify");
  if (!verdict) return {"failed", "the audit log could not be verified: " + verdict.error().message(), ""};
  auto state = textOf(*verdict, "state");
  auto text = "the audit log is " + state + ", " + textOf(*verdict, "events") + " events";
  if (state == "broken")
    return {"failed", text + ": " + textOf(*verdict, "where") + ": " + textOf(*verdict, "what"), "docs/audit.md"};
  return {state == "unanchored" ? "warning" : "ok", text,
          state == "unanchored" ? "no anchor speaks for its end (docs/audit.md)" : ""};
}

}  // namespace

Result<std::vector<Finding>> examineCompany(const std::string& directory) {
  AGENTOS_TRY(Fd root, openDirectory(directory));
  std::vector<Finding> findings = {examineSettings(root.get(), directory)};
  AGENTOS_CHECK(examineTasks(root.get(), directory, findings));
  examineQuarantine(root.get(), directory, findings);
  return findings;
}

std::vector<Finding> examineDaemon(Session& session) {
  auto system = session.get("/v1/system");
  if (!system) return {{"failed", system.error().what, system.error().remedy}};
  std::vector<Finding> findings = {examineVersion(*system), examineReadiness(session)};
  if (const Json* warnings = findField(*system, "warnings"); warnings != nullptr && warnings->is_array()) {
    for (const auto& warning : *warnings) findings.push_back(warningOf(warning));
  }
  examineEnforcement(session, findings);
  findings.push_back(examineAudit(session));
  return findings;
}

Result<int> showFindings(Session& session, const std::vector<Finding>& findings, const std::string& allIsWell) {
  auto& out = session.out();
  Json items = Json::array();
  for (const auto& [state, what, remedy, name, tried] : findings) {
    items.push_back({{"state", state}, {"what", what}, {"remedy", remedy}});
    if (!name.empty()) items.back().update({{"name", name}, {"tried", tried}});
    if (!out.isTable()) continue;
    const std::string how = tried.empty() ? "" : " [" + tried + "]";
    out.line(out.coloured(state) + std::string(state.size() < 9 ? 9 - state.size() : 1, ' ') + what + how);
    if (!remedy.empty()) out.line("         " + remedy);
  }
  if (!out.isTable()) out.list(items, {}, "what", "");
  auto isFailed = [](const Finding& finding) { return finding.state == "failed"; };
  auto isOk = [](const Finding& finding) { return finding.state == "ok"; };
  if (std::ranges::all_of(findings, isOk)) out.say(allIsWell);
  return std::ranges::any_of(findings, isFailed) ? 1 : 0;
}

}  // namespace agentos::agentctl
