// SPDX-License-Identifier: Apache-2.0
// The head of the audit log on its way from the daemon to root's file: fixed-size messages, so that a pipe keeps them
// whole.
#pragma once

#include <optional>
#include <string>

#include "govern/audit_log.h"

namespace agentos::agentd {

// Never blocks: a pipe that is full holds a newer head than the reader has seen anyway, and the next one follows.
void sendHead(int pipe, const govern::AuditHead& head);
// The newest head that lies in the pipe; empty when there is none. What is not well formed is passed over.
std::optional<govern::AuditHead> receiveHead(int pipe);

}  // namespace agentos::agentd
