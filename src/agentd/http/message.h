// SPDX-License-Identifier: Apache-2.0
// What a handler is given and what it gives back, without a word of sockets.
#pragma once

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace agentos::agentd::http {

// Who is at the other end, by the kernel's word (SO_PEERCRED, SO_PEERGROUPS); of a TCP peer nothing is known.
struct Peer {
  bool known = false;
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary
};
Peer peerOf(int socket);

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;  // "GET"
  std::string path;    // as sent, still percent-encoded, without the query
  Fields query;        // decoded, in order
  Fields headers;      // names in lower case
  Fields parameters;   // of the route's pattern, decoded
  std::string body;
  bool keepAlive = true, http10 = false;
  std::string trace;  // 32 hexadecimal digits: the caller's (traceparent) or a new one
  Peer peer;
  std::string room;  // the gateway: whose listener this came in on

  std::string_view header(std::string_view lowerCaseName) const;  // "" when absent
  std::string_view parameter(std::string_view name) const;
  std::optional<std::string_view> queryValue(std::string_view name) const;
};
using RequestPtr = std::shared_ptr<const Request>;

struct Response {
  int status = 200;
  std::string contentType = "application/json";
  Fields headers;
  std::string body;
  bool close = false;  // the connection ends with this answer
};

// A response whose body comes piece by piece. A handler that has begun one returns an empty Response.
class Stream {
 public:
  virtual ~Stream() = default;
  // Sends the head; false when the client is gone. Once.
  virtual boost::asio::awaitable<bool> begin(Response head) = 0;
  // Sends bytes (a copy is kept until they are gone); false when the client is gone or too slow.
  virtual boost::asio::awaitable<bool> write(std::string bytes) = 0;
  // The stream broke off: the connection ends without the end mark, so that no client takes it for whole.
  virtual void abort() = 0;
  virtual bool begun() const = 0;
};

Response json(const Json& value, int status = 200);
Response text(std::string body, std::string contentType, int status = 200);
Response noContent();

// "a=1&b=%20" → fields. kInvalidArgument on a broken escape.
Result<Fields> parseQuery(std::string_view query);
// Percent-decoding of one piece of a path; + stays +.
Result<std::string> decodePercent(std::string_view text, bool plusIsSpace = false);
std::string lowerCase(std::string_view text);

// The body as a JSON object; an empty body is {}.
Result<Json> bodyObject(const Request& request);
// A string member: kInvalidArgument when it is of another type; `fallback` when absent.
Result<std::string> stringOf(const Json& object, const std::string& key, std::string fallback = {});
Result<std::string> requiredString(const Json& object, const std::string& key);
Result<std::vector<std::string>> stringsOf(const Json& object, const std::string& key);
Result<bool> boolOf(const Json& object, const std::string& key, bool fallback);
Result<std::optional<std::int64_t>> integerOf(const Json& object, const std::string& key);
// kInvalidArgument naming the first member of the object that is not in `known`.
Result<void> refuseUnknown(const Json& object, std::initializer_list<std::string_view> known);
// "1" and "true" are true, "0" and "false" are not; absent is false.
Result<bool> flagOf(const Request& request, std::string_view name);
Result<std::optional<std::uint64_t>> numberOf(const Request& request, std::string_view name);

}  // namespace agentos::agentd::http
