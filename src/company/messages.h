// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "company/layout.h"

namespace agentos::company {

struct Message {
  MessageId id;
  std::string from, to, subject, body, task;
  Timestamp sent;
  bool urgent = false;
};

// Delivers into agents/messages/<to>/inbox/ (to "human": human/inbox; to "broadcast": broadcast/) under an id of its
// own, however many senders there are. A recipient is an agent name, "human" or "broadcast", nothing else.
Result<MessageId> sendMessage(const Company& company, Message message, Timestamp now);
// What lies unread in an agent's inbox, oldest first; malformed files are quarantined and left out.
Result<std::vector<Message>> readInbox(const Company& company, const std::string& recipient);
Result<void> markProcessed(const Company& company, const std::string& recipient, const MessageId& id);

}  // namespace agentos::company
