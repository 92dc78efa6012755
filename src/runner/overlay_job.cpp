// SPDX-License-Identifier: Apache-2.0
#include "runner/overlay_job.h"

#include <sys/stat.h>

#include <charconv>
#include <deque>

#include "base/files.h"
#include "runner/overlay_commit.h"
#include "runner/run.h"

namespace agentos::runner {
namespace {

constexpr std::size_t kMostMounts = 8;

struct Opened {
  Fd base, upper, live;
};

struct Job {
  std::string verb, directory, token;
  std::size_t count = 0;
};

Result<Job> jobOf(const std::vector<std::string>& words) {
  Job job;
  if (words.size() == 4) {
    job = {words[0], words[1], words[3], 0};
    std::from_chars(words[2].data(), words[2].data() + words[2].size(), job.count);
  }
  if ((job.verb != "diff" && job.verb != "commit") || job.count == 0 || job.count > kMostMounts)
    return fail(ErrorCode::kInvalidArgument, "an overlay job that is none", "overlay diff|commit DIR COUNT TOKEN");
  return job;
}

template <class Items>
Json listOf(const Items& items) {
  Json list = Json::array();
  for (const auto& item : items) list.push_back(toJson(item));
  return list;
}

Result<std::deque<Opened>> openAll(const Job& job) {
  std::deque<Opened> opened;
  for (std::size_t i = 0; i < job.count; ++i) {
    const std::string place = job.directory + "/" + std::to_string(i);
    Opened one;
    AGENTOS_TRY(one.base, openDirectory(place + "/base"));
    AGENTOS_TRY(one.upper, openDirectory(place + "/upper"));
    AGENTOS_TRY(one.live, openDirectory(place + "/live"));
    opened.push_back(std::move(one));
  }
  return opened;
}

Result<Json> diff(const std::vector<Layers>& mounts) {
  Json list = Json::array();
  for (const auto& layers : mounts) {
    AGENTOS_TRY(auto found, compareLayers(layers.base, layers.upper));
    AGENTOS_TRY(auto conflicts, findConflicts(layers, found.changes));
    list.push_back(
        {{"changes", listOf(found.changes)}, {"refused", listOf(found.refused)}, {"conflicts", listOf(conflicts)}});
  }
  return Json{{"version", 1}, {"mounts", std::move(list)}};
}

Result<Json> work(const Job& job, int state) {
  AGENTOS_TRY(auto opened, openAll(job));
  std::vector<Layers> mounts;
  for (const auto& one : opened) mounts.push_back({one.base.get(), one.upper.get(), one.live.get()});
  if (job.verb == "diff") return diff(mounts);
  AGENTOS_TRY(auto outcome, commitLayers(mounts, state, job.token));
  return Json{{"version", 1},
              {"committed", outcome.committed},
              {"changes", outcome.changes},
              {"refused", listOf(outcome.refused)},
              {"conflicts", listOf(outcome.conflicts)}};
}

Json describe(const Error& error) {
  return {{"version", 1},
          {"error", {{"code", infoOf(error.code).name}, {"what", error.message()}, {"remedy", error.remedy}}}};
}

}  // namespace

int runOverlayJob(const std::vector<std::string>& words) {
  ::umask(0007);
  auto job = jobOf(words);
  auto state = job ? openDirectory(job->directory + "/state") : Result<Fd>(std::unexpected(job.error()));
  if (!state) {
    say("error: " + state.error().message());
    return 1;
  }
  auto done = work(*job, state->get());
  auto kept = replaceFile(state->get(), "result.json", dumpJson(done ? *done : describe(done.error())), 0600);
  if (kept) return 0;
  say("error: " + kept.error().message());
  return 1;
}

}  // namespace agentos::runner
