// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>

#include "base/error.h"

namespace agentos::agentctl {

struct NewCompany {
  std::string directory;
  std::string name;  // default: the directory's
  std::string timezone = "UTC";
  std::string user;  // owner; empty: the caller, or for root the user agentd if there is one
  bool example = false;
};

// Makes the company in an empty or absent directory (kExists otherwise), with the example's files when they are wanted.
Result<void> makeCompany(const NewCompany& wanted);

struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
};
// What lies in a directory before the directory itself: from then on its owner may put a link in the place of anything
// in it, and this is done by root.
Result<void> giveAllTo(const std::string& directory, const Owner& owner);

}  // namespace agentos::agentctl
