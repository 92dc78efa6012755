// SPDX-License-Identifier: Apache-2.0
#include "agentd/scheduler/task_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace agentos::agentd {
namespace {

constexpr std::uint32_t kMask =
    IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_DELETE | IN_CREATE | IN_ATTRIB | IN_ONLYDIR;

}  // namespace

struct TaskWatch::Inotify : std::enable_shared_from_this<TaskWatch::Inotify> {
  Inotify(boost::asio::io_context& io, int fd, Changed told) : descriptor(io, fd), changed(std::move(told)) {}

  void wait() {
    descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](const boost::system::error_code& error) {
                            if (error || !self->changed) return;
                            self->readAll();
                            self->wait();
                          });
  }

  void readAll() {
    std::set<company::TaskStatus> directories;
    bool overflow = false;
    alignas(inotify_event) char buffer[16384];
    for (ssize_t got = 0; (got = ::read(descriptor.native_handle(), buffer, sizeof buffer)) > 0;) {
      for (ssize_t at = 0; at < got;) {
        inotify_event event{};
        std::memcpy(&event, buffer + at, sizeof event);
        at += static_cast<ssize_t>(sizeof event + event.len);
        overflow = overflow || (event.mask & IN_Q_OVERFLOW) != 0;
        if (auto watched = watches.find(event.wd); watched != watches.end()) directories.insert(watched->second);
      }
    }
    if (overflow || !directories.empty()) changed(directories, overflow);
  }

  boost::asio::posix::stream_descriptor descriptor;
  std::map<int, company::TaskStatus> watches;
  Changed changed;
};

Result<std::unique_ptr<TaskWatch>> TaskWatch::make(boost::asio::io_context& io, const company::Company& company,
                                                   Changed changed) {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) {
    return failErrno(errno, "cannot watch the task directories", "raise fs.inotify.max_user_instances (sysctl)",
                     ErrorCode::kUnavailable);
  }
  auto inotify = std::make_shared<Inotify>(io, fd, std::move(changed));
  for (const auto status : company::kAllTaskStatuses) {
    const std::string path = company.tasksPath(status);
    const int watch = ::inotify_add_watch(fd, path.c_str(), kMask);
    if (watch < 0) return failErrno(errno, "cannot watch " + path, "raise fs.inotify.max_user_watches (sysctl)");
    inotify->watches[watch] = status;
  }
  inotify->wait();
  return std::unique_ptr<TaskWatch>(new TaskWatch(std::move(inotify)));
}

TaskWatch::~TaskWatch() {
  inotify_->changed = nullptr;
  boost::system::error_code ignored;
  inotify_->descriptor.close(ignored);  // NOLINT: nothing is left to do about it
}

}  // namespace agentos::agentd
