// SPDX-License-Identifier: Apache-2.0
#include "models/dialect.h"

namespace agentos::models {
namespace {

class ChatStream final : public DialectStream {
 public:
  Result<std::vector<StreamEvent>> add(const Json& chunk) override { return std::vector<StreamEvent>{{"", chunk}}; }
  std::vector<StreamEvent> finish() override { return {}; }
  StreamEvent breakOff(Json error) override { return {"", std::move(error)}; }
};

std::string_view typeOf(const Error& error, int status) {
  if (error.code == ErrorCode::kBudgetExhausted) return "insufficient_quota";
  if (status == 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

class ChatDialect final : public Dialect {
 public:
  std::string_view name() const override { return "Chat Completions"; }
  Result<Json> toChat(Json request) const override { return request; }
  Json answer(const Json& chatCompletion) const override { return chatCompletion; }
  Json error(const Error& error, int httpStatus) const override {
    return {{"error",
             {{"message", error.message()},
              {"type", typeOf(error, httpStatus)},
              {"param", nullptr},
              {"code", infoOf(error.code).name}}}};
  }
  std::unique_ptr<DialectStream> stream() const override { return std::make_unique<ChatStream>(); }
  std::string_view endMark() const override { return "data: [DONE]\n\n"; }
};

}  // namespace

const Dialect& chatDialect() {
  static const ChatDialect kDialect;
  return kDialect;
}

}  // namespace agentos::models
