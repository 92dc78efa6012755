// SPDX-License-Identifier: Apache-2.0
// fs.read, fs.write, fs.edit, fs.list, fs.search.
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "base/files.h"
#include "base/text.h"
#include "runner/tools.h"

namespace agentos::runner {
namespace {

constexpr std::size_t kMostEntries = 500, kMostMatches = 100, kMostFilesSearched = 20'000;
constexpr std::uint64_t kMostBytesSearched = 64 << 20;

Json object(Json properties, std::vector<std::string> required) {
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}
Json text(const char* description) { return {{"type", "string"}, {"description", description}}; }
Json number(const char* description) { return {{"type", "integer"}, {"description", description}}; }

Result<std::string> readText(const ToolContext& room, const Place& place) {
  AGENTOS_TRY(const Fd file, room.files.open(place, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat status{};
  if (fstat(file.get(), &status) != 0) return failErrno(errno, place.shown);
  if (!S_ISREG(status.st_mode))
    return fail(ErrorCode::kInvalidArgument, place.shown + " is no file", "use fs.list for folders");
  auto bytes = readAll(file.get(), room.settings.maxFile.count);
  if (!bytes) return std::unexpected(std::move(bytes).error().within(place.shown));
  if (bytes->find('\0') != std::string::npos || !isValidUtf8(*bytes))
    return fail(ErrorCode::kInvalidArgument, place.shown + " is no text (" + std::to_string(bytes->size()) + " bytes)",
                "use shell.exec for binary files");
  return bytes;
}

// Kept: the mode of the file that was there, so that a script stays executable.
Result<void> writeText(const ToolContext& room, const Place& place, std::string_view bytes) {
  if (bytes.size() > room.settings.maxFile.count)
    return fail(ErrorCode::kTooLarge, std::to_string(bytes.size()) + " bytes for " + place.shown,
                "write at most " + formatBytes(room.settings.maxFile));
  AGENTOS_TRY(const auto in, room.files.parent(place, true));
  struct stat status{};
  const bool there = fstatat(in.directory.get(), in.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  if (there && !S_ISREG(status.st_mode))
    return fail(ErrorCode::kInvalidArgument, place.shown + " is no file", "choose another name");
  AGENTOS_CHECK(replaceFile(in.directory.get(), in.name, bytes, there ? status.st_mode & 0777 : 0664));
  room.diary.noteChanged(place.shown);
  return {};
}

Result<ToolAnswer> readTool(const ToolContext& room, const Json& arguments) {
  AGENTOS_TRY(const std::string path, stringArgument(arguments, "path"));
  AGENTOS_TRY(const std::int64_t from, intArgument(arguments, "from_line", 1, 1, INT32_MAX));
  AGENTOS_TRY(const std::int64_t count, intArgument(arguments, "lines", INT32_MAX, 1, INT32_MAX));
  AGENTOS_TRY(const Place place, room.files.place(path));
  AGENTOS_TRY(const std::string all, readText(room, place));
  std::string chosen;
  std::int64_t line = 0;
  for (std::size_t at = 0; at < all.size();) {
    const auto end = std::min(all.find('\n', at), all.size() - 1);
    if (++line >= from + count) break;
    if (line >= from) chosen.append(all, at, end + 1 - at);
    at = end + 1;
  }
  if (chosen.empty())
    return ToolAnswer{all.empty() ? "(empty file)" : "(no such lines: the file has " + std::to_string(line) + ")"};
  return ToolAnswer{std::move(chosen)};
}

Result<ToolAnswer> writeTool(const ToolContext& room, const Json& arguments) {
  AGENTOS_TRY(const std::string path, stringArgument(arguments, "path"));
  AGENTOS_TRY(std::string content, stringArgument(arguments, "content"));
  AGENTOS_TRY(const bool append, boolArgument(arguments, "append", false));
  AGENTOS_TRY(const Place place, room.files.place(path));
  if (append) {
    auto before = readText(room, place);
    if (before)
      content = *before + content;
    else if (before.error().code != ErrorCode::kNotFound)
      return std::unexpected(std::move(before).error());
  }
  AGENTOS_CHECK(writeText(room, place, content));
  return ToolAnswer{"wrote " + std::to_string(content.size()) + " bytes to " + place.shown};
}

Result<ToolAnswer> editTool(const ToolContext& room, const Json& arguments) {
  AGENTOS_TRY(const std::string path, stringArgument(arguments, "path"));
  AGENTOS_TRY(const std::string before, stringArgument(arguments, "old"));
  AGENTOS_TRY(const std::string after, stringArgument(arguments, "new"));
  AGENTOS_TRY(const bool everywhere, boolArgument(arguments, "all", false));
  AGENTOS_TRY(const Place place, room.files.place(path));
  AGENTOS_TRY(std::string content, readText(room, place));
  if (before.empty())
    return fail(ErrorCode::kInvalidArgument, "argument 'old' is empty", "give the text to replace, or use fs.write");
  std::size_t count = 0;
  for (auto at = content.find(before); at != std::string::npos; at = content.find(before, at + before.size())) ++count;
  if (count == 0)
    return fail(ErrorCode::kNotFound, "'old' does not occur in " + place.shown,
                "read the file again and copy the text exactly");
  if (count > 1 && !everywhere)
    return fail(ErrorCode::kAmbiguous, "'old' occurs " + std::to_string(count) + " times in " + place.shown,
                "give more of its surroundings, or all: true");
  std::string edited;
  std::size_t from = 0;
  for (auto at = content.find(before); at != std::string::npos; at = content.find(before, from)) {
    edited.append(content, from, at - from).append(after);
    from = at + before.size();
  }
  AGENTOS_CHECK(writeText(room, place, edited.append(content, from)));
  return ToolAnswer{"replaced " + std::to_string(count) + (count == 1 ? " place in " : " places in ") + place.shown};
}

using Visit =
    std::function<bool(const std::string& relative, int parent, const std::string& name, const struct stat& status)>;

// Names in order, folders before what is in them, no link followed; ends when `visit` says false.
bool walk(int directory, const std::string& prefix, std::int64_t depth, const Visit& visit) {
  const auto names = listDirectory(directory);
  if (!names) return true;  // a folder that cannot be read is shown, and passed over
  for (const std::string& name : *names) {
    struct stat status{};
    if (fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!visit(prefix + name, directory, name, status)) return false;
    if (!S_ISDIR(status.st_mode) || depth <= 1) continue;
    const auto below = openBeneath(directory, name, O_RDONLY | O_DIRECTORY);
    if (below && !walk(below->get(), prefix + name + "/", depth - 1, visit)) return false;
  }
  return true;
}

std::string entryLine(const std::string& relative, const struct stat& status) {
  if (S_ISDIR(status.st_mode)) return relative + "/\n";
  if (S_ISLNK(status.st_mode)) return relative + " (link)\n";
  return relative + (S_ISREG(status.st_mode) ? " " + std::to_string(status.st_size) + "\n" : " (special)\n");
}

Result<ToolAnswer> listTool(const ToolContext& room, const Json& arguments) {
  AGENTOS_TRY(const std::string path, stringArgument(arguments, "path", "."));
  AGENTOS_TRY(const std::int64_t depth, intArgument(arguments, "depth", 1, 1, 20));
  AGENTOS_TRY(const Place place, room.files.place(path));
  AGENTOS_TRY(const Fd directory, room.files.open(place, O_RDONLY | O_DIRECTORY));
  std::string listed;
  std::size_t count = 0;
  const bool whole = walk(directory.get(), "", depth,
                          [&](const std::string& relative, int, const std::string&, const struct stat& status) {
                            if (++count > kMostEntries) return false;
                            listed += entryLine(relative, status);
                            return true;
                          });
  if (!whole) listed += "(more than " + std::to_string(kMostEntries) + " entries: list a folder below)\n";
  return ToolAnswer{listed.empty() ? "(empty folder)" : listed};
}

struct Search {
  const ToolContext& room;
  std::string wanted, glob, found;
  std::size_t matches = 0, files = 0;
  std::uint64_t bytes = 0;

  bool file(const std::string& relative, int parent, const std::string& name, const struct stat& status) {
    if (!S_ISREG(status.st_mode) || (!glob.empty() && !matchesPattern(glob, name))) return true;
    if (static_cast<std::uint64_t>(status.st_size) > room.settings.maxFile.count) return true;
    bytes += static_cast<std::uint64_t>(status.st_size);
    if (++files > kMostFilesSearched || bytes > kMostBytesSearched) return false;
    if (files % 200 == 0) room.gateway.beat();
    const auto text = readFile(parent, name, room.settings.maxFile.count);
    return !text || text->find('\0') != std::string::npos || lines(relative, *text);
  }
  bool lines(const std::string& relative, const std::string& text) {
    std::size_t number = 0;
    for (const std::string_view line : split(text, '\n')) {
      ++number;
      if (line.find(wanted) == std::string_view::npos) continue;
      if (++matches > kMostMatches) return false;
      found += relative + ":" + std::to_string(number) + ": " + std::string(line.substr(0, 300)) + "\n";
    }
    return true;
  }
};

Result<ToolAnswer> searchTool(const ToolContext& room, const Json& arguments) {
  AGENTOS_TRY(const std::string wanted, stringArgument(arguments, "text"));
  AGENTOS_TRY(const std::string path, stringArgument(arguments, "path", "."));
  AGENTOS_TRY(const std::string glob, stringArgument(arguments, "glob", ""));
  if (wanted.empty()) return fail(ErrorCode::kInvalidArgument, "argument 'text' is empty", "give the text to look for");
  AGENTOS_TRY(const Place place, room.files.place(path));
  AGENTOS_TRY(const Fd directory, room.files.open(place, O_RDONLY | O_DIRECTORY));
  Search search{.room = room, .wanted = wanted, .glob = glob, .found = {}};
  const bool whole = walk(directory.get(), "", 40,
                          [&](const std::string& relative, int parent, const std::string& name,
                              const struct stat& status) { return search.file(relative, parent, name, status); });
  if (!whole) search.found += "(stopped early: narrow the search with path or glob)\n";
  return ToolAnswer{search.found.empty() ? "no line has it" : search.found};
}

}  // namespace

std::vector<Tool> fileTools() {
  return {
      {"fs.read", "Read a text file, whole or some of its lines.",
       object({{"path", text("absolute, or relative to the working folder")},
               {"from_line", number("first line, from 1")},
               {"lines", number("how many lines")}},
              {"path"}),
       readTool},
      {"fs.write",
       "Write a text file, whole; missing folders are made. An existing file is replaced, or with append extended.",
       object({{"path", text("the file")}, {"content", text("what it shall hold")}, {"append", {{"type", "boolean"}}}},
              {"path", "content"}),
       writeTool},
      {"fs.edit", "Replace a piece of text in a file. `old` must occur exactly once, or all: true.",
       object({{"path", text("the file")},
               {"old", text("the text as it stands")},
               {"new", text("the text instead")},
               {"all", {{"type", "boolean"}}}},
              {"path", "old", "new"}),
       editTool},
      {"fs.list", "List a folder: names, a / after folders, sizes of files.",
       object(
           {{"path", text("the folder; default: the working folder")}, {"depth", number("how many levels, default 1")}},
           {}),
       listTool},
      {"fs.search", "Find the lines of text files below a folder that contain a text.",
       object({{"text", text("the text, exactly")},
               {"path", text("the folder")},
               {"glob", text("only files of such names: *.md")}},
              {"text"}),
       searchTool},
  };
}

}  // namespace agentos::runner
