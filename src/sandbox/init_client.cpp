// SPDX-License-Identifier: Apache-2.0
#include "sandbox/init_client.h"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sandbox/channel.h"

namespace agentos::sandbox {

using boost::asio::awaitable;
using boost::asio::use_awaitable;
using Descriptor = boost::asio::posix::stream_descriptor;

struct InitClient::Socket {
  Descriptor descriptor;
};

namespace {

Error unreachable(std::string what) {
  return Error{ErrorCode::kUnreachable, std::move(what), "agent-init has ended, or a new connection is needed", 0, {}};
}

// False: the deadline passed first.
awaitable<bool> readable(Descriptor& descriptor) {
  using namespace boost::asio::experimental::awaitable_operators;
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, kInitReplyDeadline);
  boost::system::error_code ignored;  // an error of the socket shows at once in the read that follows
  auto first =
      co_await (descriptor.async_wait(Descriptor::wait_read, boost::asio::redirect_error(use_awaitable, ignored)) ||
                timer.async_wait(use_awaitable));
  co_return first.index() == 0;
}

}  // namespace

InitClient::InitClient(boost::asio::any_io_executor executor, Fd connected)
    : socket_(std::make_unique<Socket>(Descriptor(std::move(executor), connected.release()))) {}

InitClient::~InitClient() = default;

Result<std::unique_ptr<InitClient>> InitClient::connect(boost::asio::any_io_executor executor, int runDir,
                                                        const std::string& name) {
  AGENTOS_TRY(Fd socket, connectTo(runDir, name));
  return std::make_unique<InitClient>(std::move(executor), std::move(socket));
}

awaitable<Result<InitClient::Answer>> InitClient::ask(InitRequest request) {
  Descriptor& descriptor = socket_->descriptor;
  if (!descriptor.is_open()) co_return std::unexpected(unreachable("the connection to agent-init is closed"));
  // One small message, nothing else under way: a full buffer means that agent-init does not read.
  AGENTOS_CO_TRY(bool sent, sendPacket(descriptor.native_handle(), encodeInitRequest(request)));
  if (!sent) co_return std::unexpected(unreachable("agent-init does not read its requests"));
  if (!co_await readable(descriptor)) {
    descriptor.close();
    co_return fail(ErrorCode::kTimedOut, "agent-init did not answer within 2 s", "connect again, or kill the instance");
  }
  AGENTOS_CO_TRY(auto packet, receivePacket(descriptor.native_handle(), kMaxControlMessage, kMaxListeners));
  if (!packet) co_return std::unexpected(unreachable("agent-init's answer vanished"));
  AGENTOS_CO_TRY(auto reply, decodeInitReply(packet->bytes));
  if (reply.kind == InitReplyKind::kRefused) {
    co_return fail(ErrorCode::kRefused, "agent-init refuses: " + reply.why);
  }
  co_return Answer{std::move(reply), std::move(packet->fds)};
}

awaitable<Result<InitReply>> InitClient::hello() {
  auto answer = co_await ask({.kind = InitRequestKind::kHello});
  if (!answer) co_return std::unexpected(std::move(answer).error());
  if (answer->reply.kind != InitReplyKind::kHello) {
    co_return fail(ErrorCode::kSandboxProtocol, "agent-init answered a hello with something else");
  }
  co_return std::move(answer->reply);
}

awaitable<Result<void>> InitClient::signal(int number) {
  auto answer = co_await ask({.kind = InitRequestKind::kSignal, .signal = static_cast<std::uint32_t>(number)});
  if (!answer) co_return std::unexpected(std::move(answer).error());
  co_return Result<void>{};
}

awaitable<Result<void>> InitClient::endNow() {
  auto answer = co_await ask({.kind = InitRequestKind::kExit});
  if (!answer) co_return std::unexpected(std::move(answer).error());
  co_return Result<void>{};
}

awaitable<Result<std::vector<Fd>>> InitClient::listeners() {
  auto answer = co_await ask({.kind = InitRequestKind::kListeners});
  if (!answer) co_return std::unexpected(std::move(answer).error());
  if (answer->reply.kind != InitReplyKind::kListeners || answer->reply.listeners != answer->descriptors.size()) {
    co_return fail(ErrorCode::kSandboxProtocol, "agent-init announced " + std::to_string(answer->reply.listeners) +
                                                    " listeners and passed " +
                                                    std::to_string(answer->descriptors.size()));
  }
  co_return std::move(answer->descriptors);
}

}  // namespace agentos::sandbox
