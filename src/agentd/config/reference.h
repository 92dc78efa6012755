// SPDX-License-Identifier: Apache-2.0
// The table of agentd.yaml's keys (definitions.h) as people read it: `agentd --reference=FORMAT`.
#pragma once

#include <optional>
#include <string>

namespace agentos::agentd {

// The file that is installed: every key with what it means, commented out at its default, so that the file as it is
// says nothing and removing one `#` before a key says that key.
std::string defaultConfigFile();

// agentd.yaml(5) in scdoc's form.
std::string configManual();

// JSON Schema 2020-12, by which editors complete keys and mark what is wrong.
std::string configSchema();

// "markdown" (also ""), "yaml", "man", "schema", or "keys", one a line; absent for any other word.
std::optional<std::string> configReferenceAs(const std::string& format);

}  // namespace agentos::agentd
