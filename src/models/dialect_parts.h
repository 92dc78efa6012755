// SPDX-License-Identifier: Apache-2.0
// What dialects share: making Chat Completions out of the pieces of other APIs.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace agentos::models {

std::unexpected<Error> refuseRequest(std::string what, std::string remedy);

// The text of a string, or of the parts of a list that have a `text`, one line after the other.
std::string joinedText(const Json& content);

// Appends text to a chat message's content, which is a string or a list of parts.
void addText(Json& parts, std::string text);
void addImage(Json& parts, std::string url);
// The list as a chat message's content: a lone text is a string, which every endpoint understands.
Json contentOf(Json parts);

Json functionTool(const std::string& name, const Json* description, const Json* parameters);
Json functionCall(std::string id, std::string name, std::string arguments);

// Members that mean the same in both APIs are copied under the name that Chat Completions gives them.
void copyMember(const Json& from, std::string_view key, Json& to, std::string_view as);

// The one choice of a completion, its message, and its finish_reason; empty objects where there is none.
const Json& messageOf(const Json& chatCompletion);
std::string finishOf(const Json& chatCompletion);

}  // namespace agentos::models
