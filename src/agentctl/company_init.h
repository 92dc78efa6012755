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
// Its owner may be hostile and put links where root is about to write: root opens the directory, gives it away while it
// is empty, and does all the rest with the owner's own rights, beneath that directory. A directory of somebody else's
// is given away only when nobody but root could have chosen which one the path leads to.
Result<void> makeCompany(const NewCompany& wanted);

}  // namespace agentos::agentctl
