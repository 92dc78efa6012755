// SPDX-License-Identifier: Apache-2.0
// Root's policy as text: the section `spawner:` of a YAML file that root owns. docs/security.md shows one.
#pragma once

#include <string>

#include "base/error.h"
#include "sandbox/policy.h"

namespace agentos::sandbox {

// kConfig with file:line:column for an unknown key, a wrong type or an unknown user; keys that are absent keep
// `policy`'s value. Other sections of the file are left alone. Mount prefixes are resolved (realpath) here, once, by
// root.
Result<Policy> parsePolicy(std::string_view text, const std::string& file, Policy policy);

// The text of a file that must belong to root and be writable by nobody else (kConfig). kNotFound when it is not there.
Result<std::string> readRootsFile(const std::string& path);
// The policy in such a file.
Result<Policy> loadPolicy(const std::string& path, Policy policy);

// "name" or "1000": uid and primary gid. kConfig when there is no such user.
struct UserIds {
  uid_t uid = 0;
  gid_t gid = 0;
};
Result<UserIds> findUser(const std::string& name);

// Follows the links of the path as root sees them now; the path itself when it is not there yet.
std::string resolvedPath(const std::string& path);
// The same, where no link of this user's leads: `path` itself then, which no room is given anything of (openPlain).
std::string resolvedPathWithout(uid_t user, const std::string& path);

}  // namespace agentos::sandbox
