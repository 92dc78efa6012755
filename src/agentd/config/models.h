// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "agentd/config/config.h"
#include "models/registry.h"

namespace agentos::agentd {

// Where a key lies: a path as it is, and "credential:NAME" in the directory that systemd made for this service
// (LoadCredential= in its unit). kConfig when there is none, or NAME is no plain name.
Result<std::string> keyPath(const std::string& keyFile);

// Opens every source of models of the configuration and prices what it serves: the first rule of `prices` whose pattern
// fits; a model without one is free.
Result<void> openModels(const Config& config, const boost::asio::any_io_executor& executor,
                        models::ModelRegistry& registry);

}  // namespace agentos::agentd
