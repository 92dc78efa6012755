// SPDX-License-Identifier: Apache-2.0
// A gateway for one room: what the model answers is told beforehand, what the runner says is kept.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "base/json.h"
#include "fake_endpoint.h"

namespace agentos::runner {

struct Answer {
  int status = 200;
  Json body;
  std::string headers;
  std::chrono::milliseconds delay{0};
};

inline Json call(const std::string& name, const std::string& arguments, const std::string& id = "c1") {
  return {{"id", id}, {"type", "function"}, {"function", {{"name", name}, {"arguments", arguments}}}};
}
inline Answer message(Json message) {
  return {200,
          {{"choices", Json::array({{{"index", 0}, {"message", std::move(message)}, {"finish_reason", "stop"}}})},
           {"usage", {{"prompt_tokens", 10}, {"completion_tokens", 5}}}},
          {},
          {}};
}
inline Answer says(const std::string& text) { return message({{"role", "assistant"}, {"content", text}}); }
inline Answer calls(std::vector<Json> all) {
  return message({{"role", "assistant"}, {"content", nullptr}, {"tool_calls", all}});
}
inline Answer callsOne(const std::string& name, const Json& arguments) {
  return calls({call(name, dumpJson(arguments))});
}
inline Answer error(int status, const std::string& code, const std::string& text, std::string headers = {}) {
  return {status, {{"error", {{"message", text}, {"code", code}}}}, std::move(headers), {}};
}

class FakeGateway {
 public:
  Json capabilities = Json::array({"fs.*", "shell.exec", "task.*", "message.send"});
  Json maxTurns = nullptr, maxContextTokens = nullptr, deadline = nullptr;
  bool hasTask = true;
  std::deque<Answer> answers;  // then `rest` for ever
  Answer rest = says("(nothing more)");
  int verdictStatus = 200;

  std::string url() const { return endpoint_.url(); }
  std::vector<Json> asked() const { return bodiesOf("/v1/chat/completions"); }
  std::vector<Json> bodiesOf(const std::string& path) const {
    std::vector<Json> all;
    for (const auto& request : endpoint_.requests())
      if (request.target == path) all.push_back(parseJson(request.body).value_or(Json()));
    return all;
  }
  // The one word on the task: "complete", … and its body.
  std::pair<std::string, Json> verdict() const {
    std::pair<std::string, Json> found;
    for (const auto& request : endpoint_.requests())
      if (request.target.starts_with("/self/task/")) found = {request.target.substr(11), *parseJson(request.body)};
    return found;
  }
  // What the model was told after its last turn: the tool results and words since.
  std::string lastTold() const {
    std::string told;
    const auto all = asked();
    if (all.empty()) return told;
    for (const Json& one : all.back()["messages"]) {
      if (one["role"] == "assistant")
        told.clear();
      else if (one["content"].is_string())
        told += one["content"].get<std::string>() + "\n";
    }
    return told;
  }

 private:
  void serve(const FakeRequest& request, FakeConnection& out) {
    if (request.target == "/self") return out.answer(200, dumpJson(self()));
    if (request.target == "/self/task") {
      if (!hasTask) return out.answer(404, R"({"type":"urn:agentos:error:not_found","detail":"this run has no task"})");
      return out.answer(200, R"({"id":"task-2026-1120-001","title":"Make it","epoch":1,"fields":{},"body":"do"})");
    }
    if (request.target.starts_with("/self/task/") && verdictStatus != 200)
      return out.answer(verdictStatus,
                        R"({"type":"urn:agentos:error:task.stale_epoch","detail":"too late","remedy":"stop"})");
    if (request.target != "/v1/chat/completions") return out.answer(200, "{}");
    Answer answer;
    {
      const std::lock_guard lock(mutex_);
      answer = answers.empty() ? rest : answers.front();
      if (!answers.empty()) answers.pop_front();
    }
    out.sleep(answer.delay);
    out.answer(answer.status, answer.body.is_null() ? "garbage" : dumpJson(answer.body), answer.headers);
  }
  Json self() const {
    return {{"id", "maker.aaaaaa"},
            {"agent", "maker"},
            {"run", "maker.aaaaaa"},
            {"contract",
             {{"name", "maker"},
              {"digest", "d"},
              {"capabilities", capabilities},
              {"max_turns", maxTurns},
              {"max_context_tokens", maxContextTokens}}},
            {"budget", {{"left_micro_usd", nullptr}, {"turns_used", 0}}},
            {"deadline", deadline},
            {"models", Json::array({"a/b"})}};
  }
  std::mutex mutex_;
  FakeEndpoint endpoint_{[this](const FakeRequest& request, FakeConnection& out) { serve(request, out); }};
};

// A folder of its own for a test, gone with it.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "agentos-runner-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  void write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories(std::filesystem::path(path + "/" + name).parent_path());
    std::ofstream(path + "/" + name) << bytes;
  }
  std::string read(const std::string& name) const {
    std::ifstream in(path + "/" + name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string path;
};

}  // namespace agentos::runner
