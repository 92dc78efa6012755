// SPDX-License-Identifier: Apache-2.0
#include "sandbox/slots.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/files.h"

namespace agentos::sandbox {

Slots::Slots(Fd directory, std::uint32_t count, Alive alive)
    : directory_(std::move(directory)), count_(count), alive_(std::move(alive)) {}

// Empty: the range is in use. The name of the room that used it last is in the file.
Result<Fd> Slots::tryLock(std::uint32_t number, const InstanceId& id) {
  std::string name = std::to_string(number);
  Fd file(::openat(directory_.get(), name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return failErrno(errno, "opening the slot " + name);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Fd();
    return failErrno(errno, "locking the slot " + name);
  }
  std::array<char, 128> buffer;
  ssize_t size = ::pread(file.get(), buffer.data(), buffer.size(), 0);
  if (size > 0) {
    auto last = InstanceId::parse(std::string_view(buffer.data(), static_cast<std::size_t>(size)));
    if (last && *last != id && alive_(*last)) return Fd();
  }
  return file;
}

Result<void> Slots::sign(const Slot& slot, const InstanceId& id) {
  const std::string& text = id.str();
  bool written = ::pwrite(slot.lock.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  if (written && ::ftruncate(slot.lock.get(), static_cast<off_t>(text.size())) == 0) return {};
  return failErrno(errno, "writing the slot " + std::to_string(slot.number));
}

// Nothing: all are taken.
Result<std::optional<Slot>> Slots::scan(const InstanceId& id) {
  for (std::uint32_t number = 0; number < count_; ++number) {
    if (taken_.contains(number)) continue;
    AGENTOS_TRY(Fd lock, tryLock(number, id));
    taken_[number] = lock ? id.str() : std::string();
    if (lock) return Slot{number, std::move(lock)};
  }
  return std::nullopt;
}

Result<Slot> Slots::take(const InstanceId& id) {
  AGENTOS_TRY(auto slot, scan(id));
  // Those that a room from before this spawner held (nobody's name) may have been left meanwhile.
  if (!slot && std::erase_if(taken_, [](const auto& entry) { return entry.second.empty(); }) > 0) {
    AGENTOS_TRY(slot, scan(id));
  }
  if (slot) return *std::move(slot);
  return fail(ErrorCode::kSandboxNoSlot, "all " + std::to_string(count_) + " uid ranges are in use",
              "end a room, or widen spawner.uids.rooms");
}

void Slots::release(const InstanceId& id) {
  std::erase_if(taken_, [&](const auto& entry) { return entry.second == id.str(); });
}

std::uint32_t Slots::next() const {
  std::uint32_t number = 0;
  for (const auto& [taken, who] : taken_) {
    if (taken != number) break;
    ++number;
  }
  return number;
}

}  // namespace agentos::sandbox
