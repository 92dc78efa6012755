// SPDX-License-Identifier: Apache-2.0
#include "runner/room_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "base/text.h"

namespace agentos::runner {

RoomFiles::RoomFiles(const std::vector<std::string>& roots, std::string workDir) : workDir_(std::move(workDir)) {
  for (const std::string& root : roots)
    if (access(root.c_str(), F_OK) == 0) roots_.push_back(root);
  std::ranges::sort(roots_, [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
}

Result<Place> RoomFiles::place(std::string_view path) const {
  if (path.empty() || path.find('\0') != std::string_view::npos || path.size() > 4096)
    return fail(ErrorCode::kInvalidArgument, "path '" + std::string(path.substr(0, 100)) + "'",
                "give a path of 1 to 4096 bytes");
  const std::string absolute = path.starts_with('/') ? std::string(path) : workDir_ + "/" + std::string(path);
  std::string shown = std::filesystem::path(absolute).lexically_normal().string();
  while (shown.size() > 1 && shown.ends_with('/')) shown.pop_back();
  for (const std::string& root : roots_) {
    if (shown == root) return Place{shown, root, ""};
    if (shown.starts_with(root + "/")) return Place{shown, root, shown.substr(root.size() + 1)};
  }
  return fail(ErrorCode::kPathEscapes, shown + " is outside this room's folders",
              "use a path below " + join(roots_, ", "));
}

Result<Fd> RoomFiles::openRoot(const Place& place) const {
  Fd root(::open(place.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return failErrno(errno, place.root);
  return root;
}

Result<Fd> RoomFiles::open(const Place& place, int flags, unsigned mode) const {
  AGENTOS_TRY(const Fd root, openRoot(place));
  auto opened = openBeneath(root.get(), place.rest.empty() ? "." : place.rest, flags, mode);
  if (!opened) return std::unexpected(std::move(opened).error().within(place.shown));
  return opened;
}

Result<RoomFiles::InDirectory> RoomFiles::parent(const Place& place, bool make) const {
  if (place.rest.empty()) return fail(ErrorCode::kInvalidArgument, place.shown + " is a folder", "name a file in it");
  AGENTOS_TRY(const Fd root, openRoot(place));
  const auto slash = place.rest.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : place.rest.substr(0, slash);
  if (make && folder != ".") AGENTOS_CHECK(makeDirectoriesBeneath(root.get(), folder, 0775));
  auto directory = openBeneath(root.get(), folder, O_RDONLY | O_DIRECTORY);
  if (!directory) return std::unexpected(std::move(directory).error().within(place.shown));
  return InDirectory{*std::move(directory), place.rest.substr(slash == std::string::npos ? 0 : slash + 1)};
}

}  // namespace agentos::runner
