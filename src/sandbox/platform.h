// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/host.h"
#include "sandbox/room.h"

namespace agentos::sandbox {

// What this machine can enforce, found by trying.
PlatformReport reportPlatform(Host& host);

}  // namespace agentos::sandbox
