// SPDX-License-Identifier: Apache-2.0
// A problem document (RFC 9457) as an Error.
#pragma once

#include <string_view>

#include "base/error.h"

namespace agentos::client {

// The code by the document's stable `type` ("urn:agentos:error:<code>"), else by the HTTP status; `detail` and `errors`
// become what, `remedy` stays. A body that is no problem document is told as it is, shortened.
Error errorOf(int status, std::string_view contentType, std::string_view body);

}  // namespace agentos::client
