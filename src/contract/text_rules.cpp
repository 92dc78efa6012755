// SPDX-License-Identifier: Apache-2.0
#include "contract/text_rules.h"

#include <algorithm>
#include <array>

#include "base/host_name.h"
#include "base/ids.h"
#include "base/ip_address.h"
#include "base/text.h"
#include "base/units.h"
#include "contract/cron_syntax.h"
#include "contract/shape.h"

namespace agentos::contract {
namespace {

using Problem = std::optional<std::string>;

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isLower(char c) { return c >= 'a' && c <= 'z'; }
bool isAlnum(char c) { return isDigit(c) || isLower(c) || (c >= 'A' && c <= 'Z'); }
bool isControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

Problem no(std::string_view text, std::string_view kind) { return quoted(text) + " is no " + std::string(kind); }

// A first letter of letters, digits and `first`; after it also `rest`.
bool hasForm(std::string_view text, std::string_view first, std::string_view rest) {
  auto begins = [&](char c) { return isAlnum(c) || first.contains(c); };
  auto goesOn = [&](char c) { return begins(c) || rest.contains(c); };
  return !text.empty() && begins(text.front()) && std::ranges::all_of(text, goesOn);
}

Problem agentName(std::string_view text) { return AgentName::parse(text) ? Problem{} : no(text, "agent name"); }
Problem namePattern(std::string_view text) {
  auto allowed = [](char c) { return isLower(c) || isDigit(c) || std::string_view("._-*?").contains(c); };
  const bool fits = !text.empty() && text.front() != '.' && text.front() != '_' && text.front() != '-';
  return fits && std::ranges::all_of(text, allowed) ? Problem{} : no(text, "pattern of agent names");
}
Problem tool(std::string_view text) { return hasForm(text, "*?_", ".:/-") ? Problem{} : no(text, "tool name"); }
Problem model(std::string_view text) { return hasForm(text, "*?", "._:/@+-") ? Problem{} : no(text, "model pattern"); }
Problem label(std::string_view text) { return hasForm(text, "", "._:/-") ? Problem{} : no(text, "label"); }
Problem secret(std::string_view text) { return hasForm(text, "_", ".-") ? Problem{} : no(text, "credential name"); }

Problem line(std::string_view text) {
  if (text.empty() || text != trim(text)) return quoted(text) + " is empty or has blanks at an end";
  return std::ranges::any_of(text, isControl) ? Problem("a text with a line break or a control character") : Problem{};
}
Problem freeText(std::string_view text) { return trim(text).empty() ? Problem("an empty text") : Problem{}; }

Problem envName(std::string_view text) {
  if (text.starts_with("AGENT_")) return quoted(text) + " is one of agentd's own variables (AGENT_*)";
  const bool fits = !text.empty() && !isDigit(text.front()) && hasForm(text, "_", "");
  return fits ? Problem{} : no(text, "name of an environment variable");
}

bool isHostLabel(std::string_view part) {
  return !part.empty() && part.size() <= 63 && part.front() != '-' && part.back() != '-' &&
         std::ranges::all_of(part, [](char c) { return isAlnum(c) || c == '-'; });
}
bool isPort(std::string_view text) {
  if (text.empty() || text.size() > 5 || text.front() == '0' || !std::ranges::all_of(text, isDigit)) return false;
  return std::stoi(std::string(text)) <= 65535;
}
// The last part of a wildcard is a name: "*.1" is neither.
bool isEgressHost(std::string_view host) {
  const bool wild = host.starts_with("*.");
  if (wild) host.remove_prefix(2);
  if (!canonicalHost(host)) return false;
  return IpAddress::parse(host) ? !wild : std::ranges::all_of(split(host, '.'), isHostLabel);
}
Problem egressHost(std::string_view text) {
  return isEgressHost(text) ? Problem{} : no(text, "host, nor *. and a name");
}
Problem egress(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return quoted(text) + " names no port";
  std::string_view host = text.substr(0, colon);
  if (!isPort(text.substr(colon + 1))) return no(text, "host with a port from 1 to 65535");
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  if (brackets) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  const bool fits = isEgressHost(host) && brackets == (address && !address->isV4());
  return fits ? Problem{} : no(text, "host with a port");
}
Problem method(std::string_view text) {
  auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (text == "CONNECT") return "CONNECT asks for a tunnel, in which nobody sees methods";
  return !text.empty() && std::ranges::all_of(text, upper) ? Problem{} : no(text, "method");
}
Problem urlPath(std::string_view text) {
  auto visible = [](char c) { return c > 0x20 && c < 0x7F && c != '?' && c != '#'; };
  if (text.contains('?')) return quoted(text) + " has a query: a pattern is held against the path alone, with * alone";
  return text.starts_with('/') && std::ranges::all_of(text, visible) ? Problem{} : no(text, "pattern of paths");
}
Problem range(std::string_view text) {
  return IpRange::parse(text) ? Problem{} : no(text, "range of addresses (the bits behind the prefix are zero)");
}

// The room has no network but its loopback, so a health probe can only go there.
Problem http(std::string_view text) {
  if (text.empty()) return {};
  constexpr std::string_view kBegin = "http://127.0.0.1:";
  const auto rest = text.starts_with(kBegin) ? text.substr(kBegin.size()) : std::string_view{};
  const auto slash = rest.find('/');
  const bool fits = isPort(rest.substr(0, slash)) && std::ranges::none_of(rest, isControl) && !rest.contains(' ');
  return fits ? Problem{} : no(text, "address inside the room");
}

std::optional<int> minuteOf(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  if (!isDigit(text[0]) || !isDigit(text[1]) || !isDigit(text[3]) || !isDigit(text[4])) return std::nullopt;
  const int hour = (text[0] - '0') * 10 + (text[1] - '0'), minute = (text[3] - '0') * 10 + (text[4] - '0');
  return hour <= 24 && minute < 60 && hour * 60 + minute <= 24 * 60 ? std::optional(hour * 60 + minute) : std::nullopt;
}
Problem hours(std::string_view text) {
  const auto from = minuteOf(text.substr(0, std::min<std::size_t>(5, text.size())));
  const auto to = text.size() == 11 && text[5] == '-' ? minuteOf(text.substr(6)) : std::nullopt;
  if (!from || *from == 24 * 60 || !to) return no(text, "span of hours");
  return *from == *to ? Problem(quoted(text) + " is empty: it begins where it ends") : Problem{};
}

Problem backoff(std::string_view text) {
  const auto dots = text.find("..");
  if (dots == std::string_view::npos) return no(text, "range of times");
  const auto least = parseDuration(text.substr(0, dots)), most = parseDuration(text.substr(dots + 2));
  if (!least || !most) return no(text, "range of times");
  if (*least > *most) return quoted(text) + " begins above its end";
  return *most > std::chrono::days(1) ? Problem(quoted(text) + " waits for more than a day") : Problem{};
}

bool isCleanRelative(std::string_view path) {
  auto clean = [](std::string_view part) { return !part.empty() && part != "." && part != ".."; };
  return std::ranges::none_of(path, isControl) && std::ranges::all_of(split(path, '/'), clean);
}
Problem statePath(std::string_view text) {
  return isCleanRelative(text) ? Problem{} : no(text, "path beneath the agent's state");
}
Problem mountSource(std::string_view text) {
  const bool absolute = text.starts_with('/');
  return isCleanRelative(absolute ? text.substr(1) : text) ? Problem{} : no(text, "clean path");
}
Problem mountTarget(std::string_view text) {
  return text.starts_with('/') && isCleanRelative(text.substr(1)) ? Problem{} : no(text, "clean absolute path");
}

// A path whose parts are neither empty nor "." nor "..".
#define AGENTOS_LABEL "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
#define AGENTOS_HOST(address) "(" address "|(\\*\\.)?" AGENTOS_LABEL "(\\." AGENTOS_LABEL ")*)"
#define AGENTOS_CLEAN "(?!\\.{1,2}(/|$))[^/]+(/(?!\\.{1,2}(/|$))[^/]+)*$"

}  // namespace

const TextRule kAgentNameRule = {
    "a name of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit, at most 63 long",
    R"(^(?!.*\.\.)[a-z0-9][a-z0-9._-]*$)", 63, agentName};
const TextRule kNamePatternRule = {"a name of an agent, with * and ? where anything may stand",
                                   R"(^[a-z0-9*?][a-z0-9._*?-]*$)", 63, namePattern};
const TextRule kToolRule = {"a tool's name such as fs.write, or a pattern such as fs.*",
                            R"(^[A-Za-z0-9*?_][A-Za-z0-9*?_.:/-]*$)", 128, tool};
const TextRule kModelRule = {"a model such as local/llama-3.1-8B, or a pattern such as local/*",
                             R"(^[A-Za-z0-9*?][A-Za-z0-9*?._:/@+-]*$)", 200, model};
const TextRule kLabelRule = {"a word of letters, digits and . _ : / -", R"(^[A-Za-z0-9][A-Za-z0-9._:/-]*$)", 128,
                             label};
const TextRule kLineRule = {"one line of text", R"(^\S(.*\S)?$)", 200, line};
const TextRule kFreeTextRule = {"a text", R"(\S)", 4096, freeText};
const TextRule kSecretRule = {"the name of a systemd credential: letters, digits and . _ -",
                              R"(^[A-Za-z0-9_][A-Za-z0-9_.-]*$)", 128, secret};
const TextRule kEgressRule = {"host:port or *.host:port, such as api.github.com:443",
                              "^" AGENTOS_HOST(R"(\[[0-9A-Fa-f:.]+\])") ":[1-9][0-9]{0,4}$", 260, egress};
const TextRule kEgressHostRule = {"a host such as api.github.com, *. and a name, or an address",
                                  "^" AGENTOS_HOST("[0-9A-Fa-f:.]+") "$", 253, egressHost};
const TextRule kMethodRule = {"a method such as GET", "^[A-Z]+$", 32, method};
const TextRule kUrlPathRule = {"a path such as /v1/models, with * where anything may stand", R"(^/[^\s?#]*$)", 1024,
                               urlPath};
const TextRule kRangeRule = {"an address, or a range such as 10.0.0.0/8", R"(^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$)", 49,
                             range};
const TextRule kHttpRule = {"http://127.0.0.1:PORT/path, or nothing",
                            R"(^(http://127\.0\.0\.1:[1-9][0-9]{0,4}(/\S*)?)?$)", 2000, http};
const TextRule kCronRule = {"five fields, such as \"*/15 * * * *\": minute, hour, day of month, month, day of week",
                            R"(^\s*(\S+\s+){4}\S+\s*$)", 200, cronProblem};
const TextRule kHoursRule = {"HH:MM-HH:MM, such as 07:00-23:00; 22:00-06:00 passes midnight",
                             R"(^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$)", 11, hours};
const TextRule kBackoffRule = {"two times, the least first, such as 1s..60s; at most 1d",
                               R"(^([0-9]+(\.0+)?(d|h|m|s|ms|us|ns))+\.\.([0-9]+(\.0+)?(d|h|m|s|ms|us|ns))+$)", 64,
                               backoff};
const TextRule kStatePathRule = {"a path beneath the agent's state directory, without '.' and '..', such as soul.md",
                                 "^" AGENTOS_CLEAN, 1024, statePath};
const TextRule kMountSourceRule = {
    "a path beneath the company, such as products/taskflow, or an absolute one; without '.' and '..'",
    "^/?" AGENTOS_CLEAN, 1024, mountSource};
const TextRule kMountTargetRule = {"an absolute path in the room, without '.' and '..', such as /workspace",
                                   "^/" AGENTOS_CLEAN, 1024, mountTarget};
const TextRule kEnvNameRule = {"a name of letters, digits and '_', not beginning with a digit or AGENT_",
                               R"(^(?!AGENT_)[A-Za-z_][A-Za-z0-9_]*$)", 128, envName};

}  // namespace agentos::contract
