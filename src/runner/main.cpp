// SPDX-License-Identifier: Apache-2.0
// agent-runner [--runtime SLOT] [--gateway URL] [--context FILE]: the runtime for contracts that name no program. It
// needs nothing from its caller in a room: the slot is where this program lies. `agent-runner overlay …` is another
// program that comes with it (overlay_job.h).
#include <curl/curl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string_view>

#include "base/files.h"
#include "runner/overlay_job.h"
#include "runner/run.h"

namespace agentos::runner {
namespace {

std::atomic<bool> stopping{false};
static_assert(std::atomic<bool>::is_always_lock_free);

struct Arguments {
  std::string slot, gateway = "http://127.0.0.1:4242", context = "/context/prompt.md";
  bool help = false;
};

constexpr std::size_t kMostContext = 4 << 20;
constexpr const char* kUsage =
    "agent-runner [--runtime SLOT] [--gateway http://HOST:PORT] [--context FILE]\n"
    "runs one cycle of an agent in its room; see runtime/README.md\n";

Result<Arguments> parseArguments(int argc, char** argv) {
  Arguments read;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  read.slot = self.parent_path().parent_path().string();
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--help" || name == "-h") {
      read.help = true;
      return read;
    }
    std::string* into = name == "--runtime"   ? &read.slot
                        : name == "--gateway" ? &read.gateway
                        : name == "--context" ? &read.context
                                              : nullptr;
    if (!into || i + 1 >= argc)
      return fail(ErrorCode::kInvalidArgument, "argument '" + std::string(name) + "'", kUsage);
    *into = argv[++i];
  }
  return read;
}

ExitStatus failed(const Error& error, ExitStatus status) {
  say("error: " + error.message());
  return status;
}

std::string workDirectory() {
  char buffer[4096];
  return getcwd(buffer, sizeof buffer) ? std::string(buffer) : std::string("/home/agent");
}

ExitStatus runOnce(const Arguments& arguments) {
  const auto runtime = loadRuntime(arguments.slot);
  if (!runtime) return failed(runtime.error(), runtime.error().code == ErrorCode::kConfig ? kBadConfig : kCannotLoad);
  GatewayClient gateway(arguments.gateway, stopping, runtime->settings.heartbeat);
  auto self = fetchIdentity(gateway);
  if (!self) return failed(self.error(), kNoVerdict);
  auto task = fetchTask(gateway);
  if (!task) return failed(task.error(), kNoVerdict);
  auto context = readPath(arguments.context, kMostContext);
  if (!context) return failed(context.error(), kNoVerdict);
  const RoomFiles files(runtime->settings.roots, workDirectory());
  Run run(*runtime, gateway, files, *std::move(self), *std::move(task), *std::move(context));
  return run.toTheEnd();
}

void onStop(int) { stopping = true; }

}  // namespace
}  // namespace agentos::runner

int main(int argc, char** argv) {
  using namespace agentos::runner;
  try {
    if (argc > 1 && std::string_view(argv[1]) == "overlay") return runOverlayJob({argv + 2, argv + argc});
    const auto arguments = parseArguments(argc, argv);
    if (!arguments) return failed(arguments.error(), kBadConfig);
    if (arguments->help) return fputs(kUsage, stdout) < 0;
    struct sigaction stop{};
    stop.sa_handler = onStop;
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaction(signal, &stop, nullptr);
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return runOnce(*arguments);
  } catch (const std::exception& error) {
    say(std::string("unhandled: ") + error.what());
  } catch (...) {
    say("unhandled: an exception of an unknown type");
  }
  return kUnhandled;
}
