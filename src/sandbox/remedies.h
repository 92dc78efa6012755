// SPDX-License-Identifier: Apache-2.0
// The exact command that gives a machine what a trial (examine.h) found missing. Pure: what the machine says of itself
// comes by `read`, so that a test can say it in its place.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/machine.h"

namespace agentos::sandbox {

// The content of a file without the newline at its end; nothing where there is none.
using ReadSetting = std::function<std::optional<std::string>(const std::string& path)>;
std::optional<std::string> readSetting(const std::string& path);

// A word for the kernel's command line, as the machine's boot loader takes it.
std::string remedyByCommandLine(const std::string& word, const ReadSetting& read);

std::string remedyForUserNamespaces(const ReadSetting& read);
// For those that agents make themselves (`security.nested_userns`).
std::string remedyForNestedNamespaces(const ReadSetting& read);
std::string remedyForLandlock(int abi, const ReadSetting& read);
// Of a controller or of one file of it ("memory.swap.max").
std::string remedyForController(const std::string& name, const std::vector<ControllerPlace>& places,
                                const std::string& cgroup2Point, const ReadSetting& read);
std::string remedyForSwap(const ReadSetting& read);
std::string remedyForDeadline(int error, const ReadSetting& read);
std::string remedyForPressure(int error, const ReadSetting& read);
std::string remedyForModule(const std::string& module);
std::string remedyForVolumes(const std::string& why);  // as whyNoVolumes and whyNoEncryption say it

}  // namespace agentos::sandbox
