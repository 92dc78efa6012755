// SPDX-License-Identifier: Apache-2.0
// Where things lie in a company directory, and the directory itself, held open: names are resolved beneath it.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/units.h"
#include "base/yaml.h"
#include "company/task.h"

namespace agentos::company {

// How long a failed attempt waits before the next: `first`, doubled with each failure, at most `longest`.
struct RetryBackoff {
  Nanoseconds first = std::chrono::minutes(1), longest = std::chrono::hours(1);
};

// company.yaml: name, timezone, caps {per_day_usd, per_month_usd}, scopes {<data scope>: [company paths]},
// retry {backoff: 1m..1h}.
struct CompanySettings {
  std::string name, timezone = "UTC";
  std::optional<MicroUsd> perDay, perMonth;                              // caps of the whole company
  std::vector<std::pair<std::string, std::vector<std::string>>> scopes;  // data scope → company paths
  RetryBackoff retry;
};
std::expected<CompanySettings, std::vector<YamlProblem>> parseCompanySettings(std::string_view text, std::string file);

class Company {
 public:
  // An existing company: company.yaml must be there and valid, and the directories it needs are made when missing.
  static Result<std::unique_ptr<Company>> open(const std::string& path);
  // A new one in an empty or absent directory (kExists otherwise).
  static Result<void> init(const std::string& path, const std::string& name, const std::string& timezone);
  // The two halves of it, for who opens the directory as one user and fills it as another.
  static Result<void> checkNew(const std::string& name, const std::string& timezone);
  static Result<void> fill(int root, const std::string& path, const std::string& name, const std::string& timezone);

  const std::string& path() const { return path_; }
  int rootFd() const { return root_.get(); }
  const CompanySettings& settings() const { return settings_; }
  // Held open: inodes that somebody renames away are noticed, not followed.
  int tasksFd(TaskStatus status) const;
  std::string tasksPath(TaskStatus status) const;   // absolute, for inotify
  int archiveFd() const { return archive_.get(); }  // done/_archive
  // Where a person has put another directory in the place of one that is held open, that one is followed from now on.
  Result<void> followReplaced(TaskStatus status);
  // agents/messages/<agent>/inbox and the like, made when missing.
  Result<Fd> directory(const std::string& relative) const;
  // operations/quarantine/<name>, with the bytes kept and <name>.reason beside; returns the name it got there.
  Result<std::string> quarantine(int fromDir, const std::string& name, const std::string& reason) const;

 private:
  Company() = default;
  std::string path_;
  Fd root_;
  CompanySettings settings_;
  std::vector<Fd> tasks_;
  Fd archive_;
};

}  // namespace agentos::company
