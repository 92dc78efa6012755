// SPDX-License-Identifier: Apache-2.0
// Problem documents (RFC 9457), from the one table of error codes: "type" is urn:agentos:error:<name>, "title" the
// table's words, "detail" what went wrong with its value, "remedy" what would be right, "errors" the single faults of a
// file.
#pragma once

#include "agentd/http/message.h"
#include "base/yaml.h"

namespace agentos::agentd::http {

Json problemJson(const Error& error);
Response problem(const Error& error);
// A status that the table does not give to this code (401, 405, 408, 431: matters of HTTP alone).
Response problem(const Error& error, int status);
// 422, with every fault of a file in errors[].
Response problems(const std::vector<YamlProblem>& faults, const std::string& what);

// The answer of a Result: its value through `render`, or its error's problem.
template <class T, class Render>
Response answer(const Result<T>& result, Render render) {
  return result ? render(*result) : problem(result.error());
}

}  // namespace agentos::agentd::http
