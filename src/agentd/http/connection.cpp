// SPDX-License-Identifier: Apache-2.0
#include "agentd/http/connection.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <cstdio>

#include "agentd/http/problem.h"
#include "base/digest.h"
#include "base/ids.h"

namespace agentos::agentd::http {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kBufferLimit = 128 << 10;  // a request's head, or what a client sends ahead while it is served
constexpr std::size_t kSmallBody = 64 << 10;     // always taken
constexpr auto kLinger = std::chrono::seconds(1);
using Parser = beast::http::request_parser<beast::http::string_body>;

// The trace of a W3C traceparent header (00-<32 hex>-<16 hex>-<2 hex>), or a new one.
std::string traceOf(std::string_view traceparent) {
  std::string_view trace = traceparent.size() >= 55 ? traceparent.substr(3, 32) : std::string_view{};
  bool valid = !trace.empty() && trace.find_first_not_of("0123456789abcdef") == std::string_view::npos &&
               trace.find_first_not_of('0') != std::string_view::npos && traceparent[2] == '-' &&
               traceparent[35] == '-';
  return valid ? std::string(trace) : sha256(randomToken(26)).substr(0, 32);
}

// "http://host/path?query" (as a client sends it to a proxy) and "/path?query": path and query.
std::pair<std::string_view, std::string_view> splitTarget(std::string_view target) {
  if (auto scheme = target.find("://"); scheme != std::string_view::npos && !target.starts_with('/')) {
    auto slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  auto question = target.find('?');
  if (question == std::string_view::npos) return {target, {}};
  return {target.substr(0, question), target.substr(question + 1)};
}

Result<std::shared_ptr<Request>> requestOf(Parser::value_type&& message, const ServerOptions& options,
                                           const Peer& peer) {
  auto request = std::make_shared<Request>();
  auto [path, query] = splitTarget(message.target());
  AGENTOS_TRY(request->query, parseQuery(query));
  request->method = std::string(message.method_string());
  request->path = std::string(path);
  request->http10 = message.version() == 10;
  request->keepAlive = message.keep_alive();
  for (const auto& field : message)
    request->headers.emplace_back(lowerCase(field.name_string()), std::string(field.value()));
  request->body = std::move(message.body());
  request->trace = traceOf(request->header("traceparent"));
  request->peer = peer;
  request->room = options.room;
  if (!request->http10 && message.count(beast::http::field::host) != 1) {
    return fail(ErrorCode::kInvalidArgument, "an HTTP/1.1 request without exactly one Host header",
                "send Host: localhost");
  }
  return request;
}

// What is said of a request that could not be read: status 0 when there is nobody to tell.
std::pair<int, Error> verdictOn(beast::error_code error, bool timedOut, const ServerOptions& options) {
  auto say = [](ErrorCode code, std::string what, std::string remedy) {
    return Error{code, std::move(what), std::move(remedy), 0, {}};
  };
  if (timedOut)
    return {408, say(ErrorCode::kTimedOut, "the request did not arrive whole in time", "send it in one go")};
  if (error == beast::http::error::body_limit) {
    return {413, say(ErrorCode::kTooLarge, "the request body is too large",
                     "send at most " + std::to_string(options.bodyLimit) + " bytes")};
  }
  if (error == beast::http::error::header_limit || error == beast::http::error::buffer_overflow) {
    return {431, say(ErrorCode::kTooLarge, "the request's head is too large",
                     "send at most " + std::to_string(options.headerLimit) + " bytes of headers")};
  }
  if (error == beast::http::error::partial_message)
    return {400, say(ErrorCode::kInvalidArgument, "the request ended in its middle", "send it whole")};
  if (error == beast::http::error::end_of_stream) return {0, {}};
  if (error.category() != beast::http::make_error_code(beast::http::error::bad_method).category()) return {0, {}};
  return {400,
          say(ErrorCode::kInvalidArgument, "this is not an HTTP/1.1 request: " + error.message(), "speak HTTP/1.1")};
}

std::string hexSize(std::size_t size) {
  std::array<char, 20> text{};
  int length = std::snprintf(text.data(), text.size(), "%zx\r\n", size);
  return {text.data(), static_cast<std::size_t>(length)};
}

// A header's value cannot start a line of its own.
std::string oneLine(std::string_view value) {
  std::string line(value);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\t') c = ' ';
  }
  return line;
}

}  // namespace

Connection::Connection(std::shared_ptr<Server::State> server, Socket socket)
    : server_(std::move(server)),
      socket_(std::move(socket)),
      timer_(server_->io),
      buffer_(kBufferLimit),
      peer_(peerOf(socket_.native_handle())) {
  server_->connections.insert(this);
  enter(Phase::kIdle);
}

Connection::~Connection() {
  releaseBody();
  server_->connections.erase(this);
  server_->changed.cancel();
}

void Connection::enter(Phase phase) {
  static_assert(sizeof(since_) == 8);
  phase_ = phase;
  since_ = ++server_->accepted;
}

void Connection::deadline(std::chrono::milliseconds limit) {
  auto mine = ++deadlines_;
  timer_.expires_after(limit);
  timer_.async_wait([weak = weak_from_this(), mine](boost::system::error_code error) {
    auto self = weak.lock();
    if (error || !self || self->deadlines_ != mine) return;
    self->timedOut_ = true;
    boost::system::error_code ignored;
    self->socket_.cancel(ignored);
  });
}

void Connection::noDeadline() {
  ++deadlines_;
  timer_.cancel();
}

void Connection::cut() {
  gone_ = true;
  keepAlive_ = false;
  boost::system::error_code ignored;
  socket_.close(ignored);
  if (cuttable_) cancel_.emit(asio::cancellation_type::terminal);
}

void Connection::finish() {
  keepAlive_ = false;
  if (phase_ != Phase::kServing || cuttable_) cut();
}

asio::awaitable<void> Connection::run() {
  auto self = shared_from_this();
  while (keepAlive_ && co_await awaitRequest()) {
    auto request = co_await readRequest();
    if (!request || !co_await serve(std::move(request))) break;
    releaseBody();
    if (buffer_.size() == 0) buffer_.shrink_to_fit();
  }
  co_await linger();
}

// An idle connection holds no buffer: it waits for readability only.
asio::awaitable<bool> Connection::awaitRequest() {
  enter(Phase::kIdle);
  if (buffer_.size() > 0) co_return true;
  deadline(server_->options.idleTimeout);
  auto [error] = co_await socket_.async_wait(Socket::wait_read, kTuple);
  noDeadline();
  co_return !error && !timedOut_ && !gone_;
}

asio::awaitable<std::shared_ptr<Request>> Connection::readRequest() {
  const ServerOptions& options = server_->options;
  bool crowded = false;
  enter(Phase::kReading);
  auto parser = std::make_unique<Parser>();
  parser->header_limit(static_cast<std::uint32_t>(options.headerLimit));
  parser->body_limit(options.bodyLimit);
  deadline(options.headerTimeout);
  auto [error, size] = co_await beast::http::async_read_header(socket_, buffer_, *parser, kTuple);
  if (!error && !gone_) {
    deadline(options.bodyTimeout);
    headOnly_ = parser->get().method() == beast::http::verb::head;
    http10_ = parser->get().version() == 10;
    if (!parser->is_done() && beast::iequals(parser->get()[beast::http::field::expect], "100-continue")) {
      if (!co_await put("HTTP/1.1 100 Continue\r\n\r\n", {})) co_return nullptr;
      deadline(options.bodyTimeout);
    }
    while (!error && !gone_ && !parser->is_done()) {
      std::tie(error, size) = co_await beast::http::async_read_some(socket_, buffer_, *parser, kTuple);
      if (!error && !holdBody(parser->get().body().size())) error = beast::http::error::body_limit, crowded = true;
    }
  }
  noDeadline();
  if (gone_) co_return nullptr;
  if (error) {
    co_await (crowded ? refuseCrowded() : refuse(error));
    co_return nullptr;
  }
  auto request = requestOf(parser->release(), options, peer_);
  if (request) co_return std::move(*request);
  Response response = problem(request.error());
  response.close = true;
  co_await send(std::move(response));
  co_return nullptr;
}

asio::awaitable<void> Connection::refuse(boost::system::error_code error) {
  auto [status, what] = verdictOn(error, timedOut_, server_->options);
  keepAlive_ = false;
  if (status == 0) co_return;
  timedOut_ = false;
  Response response = problem(what, status);
  response.close = true;
  co_await send(std::move(response));
}

asio::awaitable<void> Connection::refuseCrowded() {
  releaseBody();
  keepAlive_ = false;
  Response response = problem({ErrorCode::kUnavailable,
                               "too many large requests at once",
                               "send it again when others are answered: all bodies together may take " +
                                   std::to_string(server_->options.bodiesLimit) + " bytes",
                               0,
                               {}});
  response.headers.emplace_back("Retry-After", "1");
  response.close = true;
  co_await send(std::move(response));
}

bool Connection::holdBody(std::size_t size) {
  server_->bodyBytes += size - bodyHeld_;
  bodyHeld_ = size;
  return size <= kSmallBody || server_->bodyBytes <= server_->options.bodiesLimit;
}

void Connection::releaseBody() { server_->bodyBytes -= std::exchange(bodyHeld_, 0); }

asio::awaitable<bool> Connection::serve(std::shared_ptr<Request> request) {
  enter(Phase::kServing);
  begun_ = aborted_ = false;
  headOnly_ = request->method == "HEAD";
  http10_ = request->http10;
  keepAlive_ = keepAlive_ && request->keepAlive && !server_->closing;
  auto route = server_->application.route(*request);
  if (!route) co_return co_await send(std::move(route.error()));
  cuttable_ = (*route)->hangup == Hangup::kCut;
  if (cuttable_) watch();
  Response response = co_await handle(**route, request);
  cuttable_ = false;
  boost::system::error_code ignored;
  if (std::exchange(watching_, false)) socket_.cancel(ignored);
  if (begun_) co_return co_await endStream();
  co_return co_await send(std::move(response));
}

// The handler runs as a coroutine of its own so that a hang-up can cancel it and nothing else.
asio::awaitable<Response> Connection::handle(const Route& route, std::shared_ptr<Request> request) {
  auto [escaped, response] =
      co_await asio::co_spawn(socket_.get_executor(), route.handler(request, *this),
                              asio::bind_cancellation_slot(cancel_.slot(), asio::as_tuple(asio::use_awaitable)));
  if (!escaped) co_return std::move(response);
  if (gone_) co_return Response{};
  std::string what = "an exception of no known kind";
  try {
    std::rethrow_exception(escaped);
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {  // keeps the words above
  }
  spdlog::error("{}: {} {} was ended by {} (trace {})", server_->options.name, request->method, request->path, what,
                request->trace);
  aborted_ = true;
  co_return problem(
      {ErrorCode::kInternal, "the handler ended by " + what, "report it with trace " + request->trace, 0, {}});
}

// While a handler runs, the read side is watched: end of file is a client that hung up; bytes are its next request,
// kept up to the buffer's limit.
void Connection::watch() {
  watching_ = true;
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](boost::system::error_code error) {
    if (!self->watching_ || (error == asio::error::operation_aborted && !self->gone_)) return;
    self->peek();
  });
}

void Connection::peek() {
  std::size_t room = std::min<std::size_t>(4096, buffer_.max_size() - buffer_.size());
  if (gone_ || room == 0) return;  // a client that sends this much ahead is noticed when it is written to
  auto space = buffer_.prepare(room);
  ssize_t count = ::recv(socket_.native_handle(), space.data(), space.size(), MSG_DONTWAIT);
  if (count > 0) buffer_.commit(static_cast<std::size_t>(count));
  if (count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR))) return watch();
  cut();
}

std::string Connection::headOf(const Response& response, bool streaming) const {
  std::string head =
      "HTTP/1.1 " + std::to_string(response.status) + " " +
      std::string(beast::http::obsolete_reason(beast::http::int_to_status(static_cast<unsigned>(response.status))));
  head += "\r\nServer: agentd\r\n";
  if (!response.contentType.empty()) head += "Content-Type: " + oneLine(response.contentType) + "\r\n";
  for (const auto& [name, value] : response.headers) head += oneLine(name) + ": " + oneLine(value) + "\r\n";
  if (streaming && !http10_) head += "Transfer-Encoding: chunked\r\n";
  if (!streaming && response.status != 204) head += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  head += keepAlive_ ? (http10_ ? "Connection: keep-alive\r\n" : "") : "Connection: close\r\n";
  return head + "\r\n";
}

asio::awaitable<bool> Connection::send(Response response) {
  if (response.close) keepAlive_ = false;
  std::string head = headOf(response, false);
  bool sent = co_await put(std::move(head), headOnly_ ? std::string{} : std::move(response.body));
  co_return sent&& keepAlive_;
}

asio::awaitable<bool> Connection::begin(Response head) {
  begun_ = true;
  if (http10_) keepAlive_ = false;
  co_return co_await put(headOf(head, true), {});
}

asio::awaitable<bool> Connection::write(std::string bytes) {
  if (headOnly_ || bytes.empty()) co_return !gone_;
  if (http10_) co_return co_await put(std::move(bytes), {});
  std::string size = hexSize(bytes.size());
  bytes += "\r\n";
  co_return co_await put(std::move(size), std::move(bytes));
}

asio::awaitable<bool> Connection::endStream() {
  if (aborted_ || gone_) {
    cut();
    co_return false;
  }
  if (!http10_ && !headOnly_ && !co_await put("0\r\n\r\n", {})) co_return false;
  co_return keepAlive_;
}

// What the socket takes at once; the rest waits for room, with the deadline. Most answers never wait, and cost no
// timer.
asio::awaitable<bool> Connection::put(std::string head, std::string body) {
  if (gone_) co_return false;
  std::size_t taken = sendNow(head, body);
  if (taken == head.size() + body.size()) co_return true;
  std::array<asio::const_buffer, 2> pieces{asio::buffer(head) + std::min(taken, head.size()),
                                           asio::buffer(body) + (taken - std::min(taken, head.size()))};
  deadline(server_->options.writeTimeout);
  auto [error, count] = co_await asio::async_write(socket_, pieces, kTuple);
  noDeadline();
  if (!error && !timedOut_ && !gone_) co_return true;
  cut();
  co_return false;
}

std::size_t Connection::sendNow(std::string& head, std::string& body) {
  std::array<iovec, 2> pieces{iovec{head.data(), head.size()}, iovec{body.data(), body.size()}};
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  ssize_t count = ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  return count < 0 ? 0 : static_cast<std::size_t>(count);  // an error shows again in the write that follows
}

// A socket that is closed with unread bytes in it resets, and the client may lose the answer that says why: so the rest
// is read for a moment (RFC 9112, 9.6).
asio::awaitable<void> Connection::linger() {
  enter(Phase::kClosing);
  boost::system::error_code ignored;
  if (gone_ || !socket_.is_open()) co_return;
  socket_.shutdown(Socket::shutdown_send, ignored);
  timedOut_ = false;
  deadline(kLinger);
  std::array<char, 4096> rest{};
  for (std::size_t total = 0; total < (1U << 20) && !timedOut_;) {
    auto [error, count] = co_await socket_.async_read_some(asio::buffer(rest), kTuple);
    if (error) break;
    total += count;
  }
  noDeadline();
  socket_.close(ignored);
}

}  // namespace agentos::agentd::http
