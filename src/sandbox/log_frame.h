// SPDX-License-Identifier: Apache-2.0
// What the payload prints, as frames in output.log: written by agent-init, read by agentd. A frame is one line:
//
//   2026-11-20T14:03:07.120Z stdout F text
//
// (UTC with milliseconds; stdout, stderr or system; F: a newline followed the text, P: it goes on in the stream's next
// frame), after the Kubernetes CRI log format, since it can be read with nothing but eyes. Text is raw bytes, at most
// kMaxLine a frame. A stream's bytes are exactly its texts, with a newline after each F. `system` is agent-init's own
// word: lines that were lost. Rotated files are output.log.1 (the newest) to output.log.N; a frame is never cut by one.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace agentos::sandbox {

enum class LogStream : std::uint8_t { kStdout, kStderr, kSystem };
inline constexpr std::array<std::string_view, 3> kStreamNames = {"stdout", "stderr", "system"};

inline constexpr std::size_t kMaxLine = std::size_t{16} << 10;
inline constexpr std::size_t kLogTimeLength = 24;
inline constexpr std::size_t kMaxFrame = kLogTimeLength + 1 + 6 + 1 + 1 + 1 + kMaxLine + 1;
inline constexpr const char* kLogName = "output.log";

}  // namespace agentos::sandbox
