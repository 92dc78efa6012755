// SPDX-License-Identifier: Apache-2.0
#include "agentd/config/models.h"

#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "models/openai_driver.h"
#include "models/scripted_driver.h"

namespace agentos::agentd {
namespace {

models::Price priceOf(const Config& config, const std::string& model) {
  auto rule = std::ranges::find_if(config.prices, [&](const auto& one) { return matchesPattern(one.model, model); });
  return rule == config.prices.end() ? models::Price{} : rule->price;
}

// "name=upstream", or a name whose endpoint knows it by its last part.
models::ModelSpec specOf(const Config& config, const std::string& written) {
  const auto equals = written.find('=');
  models::ModelSpec spec;
  spec.name = written.substr(0, equals);
  if (equals != std::string::npos) spec.upstream = written.substr(equals + 1);
  spec.price = priceOf(config, spec.name);
  return spec;
}

constexpr std::string_view kCredential = "credential:";

bool isPlainName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos;
}

Result<std::unique_ptr<models::ModelDriver>> openDriver(const ModelSource& source,
                                                        const std::vector<std::string>& names,
                                                        const boost::asio::any_io_executor& executor) {
  if (source.driver == "scripted") {
    AGENTOS_TRY(std::unique_ptr<models::ModelDriver> driver, models::ScriptedDriver::load(source.script));
    return driver;
  }
  models::OpenAiConfig config;
  config.name = source.baseUrl;
  config.baseUrl = source.baseUrl;
  AGENTOS_TRY(config.apiKeyFile, keyPath(source.keyFile));
  config.models = names;
  AGENTOS_TRY(std::unique_ptr<models::ModelDriver> driver, models::OpenAiDriver::open(executor, std::move(config)));
  return driver;
}

}  // namespace

Result<std::string> keyPath(const std::string& keyFile) {
  if (!keyFile.starts_with(kCredential)) return keyFile;
  const std::string name = keyFile.substr(kCredential.size());
  if (!isPlainName(name)) {
    return fail(ErrorCode::kConfig, "key_file: \"" + keyFile + "\" names no credential", "credential:key_NAME");
  }
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  if (directory == nullptr) {
    return fail(ErrorCode::kConfig, "key_file: \"" + keyFile + "\": this agentd was given no credentials",
                "run it by its unit, which loads /etc/agentd/keys, or name a file");
  }
  return std::string(directory) + "/" + name;
}

Result<void> openModels(const Config& config, const boost::asio::any_io_executor& executor,
                        models::ModelRegistry& registry) {
  for (const auto& source : config.models) {
    std::vector<models::ModelSpec> specs;
    std::vector<std::string> names;
    for (const auto& written : source.models) {
      specs.push_back(specOf(config, written));
      names.push_back(specs.back().name);
    }
    auto opened = openDriver(source, names, executor);
    if (!opened) {
      return std::unexpected(std::move(opened).error().within("the " + source.driver + " models of agentd.yaml"));
    }
    auto driver = *std::move(opened);
    if (specs.empty()) {  // a script names its models itself
      for (const auto& name : driver->models()) specs.push_back(specOf(config, name));
    }
    AGENTOS_CHECK(registry.add(std::move(driver), std::move(specs)));
  }
  return {};
}

}  // namespace agentos::agentd
