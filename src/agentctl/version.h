// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace agentos::agentctl {

inline constexpr char kVersion[] = AGENTOS_VERSION;  // the project's, from CMakeLists.txt

}  // namespace agentos::agentctl
