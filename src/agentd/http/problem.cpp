// SPDX-License-Identifier: Apache-2.0
#include "agentd/http/problem.h"

#include <utility>

namespace agentos::agentd::http {

Json problemJson(const Error& error) {
  const ErrorCodeInfo& info = infoOf(error.code);
  Error detail = error;
  std::string remedy = std::exchange(detail.remedy, {});
  Json document{{"type", "urn:agentos:error:" + std::string(info.name)},
                {"title", info.doc},
                {"status", info.httpStatus},
                {"code", info.name},
                {"detail", detail.message()}};
  if (!remedy.empty()) document["remedy"] = std::move(remedy);
  return document;
}

Response problem(const Error& error) { return problem(error, infoOf(error.code).httpStatus); }

Response problem(const Error& error, int status) {
  Json document = problemJson(error);
  document["status"] = status;
  Response response = json(document, status);
  response.contentType = "application/problem+json";
  return response;
}

Response problems(const std::vector<YamlProblem>& faults, const std::string& what) {
  ErrorCode code = faults.empty() ? ErrorCode::kInvalidArgument : faults.front().code;
  Error error{code, what, "mend what errors[] names", 0, {}};
  Json document = problemJson(error);
  document["status"] = 422;
  for (const YamlProblem& fault : faults) {
    document["errors"].push_back({{"file", fault.file},
                                  {"line", fault.mark.line},
                                  {"column", fault.mark.column},
                                  {"path", fault.path},
                                  {"code", infoOf(fault.code).name},
                                  {"detail", fault.what},
                                  {"remedy", fault.remedy},
                                  {"message", fault.message()}});
  }
  Response response = json(document, 422);
  response.contentType = "application/problem+json";
  return response;
}

}  // namespace agentos::agentd::http
