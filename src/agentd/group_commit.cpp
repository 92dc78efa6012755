// SPDX-License-Identifier: Apache-2.0
#include "agentd/group_commit.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <utility>

#include "base/fault.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;

Result<void> syncData(int fd) {
  if (faultFails("group_commit.sync")) return failErrno(EIO, "fdatasync of the database's log, by a fault point");
  while (::fdatasync(fd) != 0) {
    if (errno != EINTR)
      return failErrno(errno, "fdatasync of the database's log", "see the kernel log: the disk may be failing");
  }
  return {};
}

}  // namespace

// The bell rings by being cancelled.
struct GroupCommit::Turn {
  explicit Turn(const asio::any_io_executor& executor) : bell(executor, asio::steady_timer::time_point::max()) {}
  asio::steady_timer bell;
  bool done = false;
  Result<void> result;
};

Result<std::unique_ptr<GroupCommit>> GroupCommit::open(asio::any_io_executor executor, const std::string& wal,
                                                       govern::AuditLog& audit, Lost lost, Worker::Mode mode) {
  Fd file(::open(wal.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return failErrno(errno, "opening " + wal);
  return std::unique_ptr<GroupCommit>(
      new GroupCommit(std::move(executor), wal, std::move(file), audit, std::move(lost), mode));
}

GroupCommit::GroupCommit(asio::any_io_executor executor, std::string path, Fd wal, govern::AuditLog& audit, Lost lost,
                         Worker::Mode mode)
    : executor_(std::move(executor)),
      wal_(std::move(wal)),
      audit_(audit),
      path_(std::move(path)),
      lost_(std::move(lost)),
      self_(std::make_shared<GroupCommit*>(this)),
      worker_(std::make_unique<Worker>(mode)) {}

GroupCommit::~GroupCommit() {
  *self_ = nullptr;
  worker_.reset();  // before the descriptor that it syncs
}

asio::awaitable<Result<void>> GroupCommit::durable() {
  auto turn = std::make_shared<Turn>(executor_);
  waiting_.push_back(turn);
  if (!busy_) begin();
  boost::system::error_code ignored;
  while (!turn->done) co_await turn->bell.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return turn->result;
}

void GroupCommit::begin() {
  busy_ = true;
  ++syncs_;
  worker_->post([turns = std::exchange(waiting_, {}), self = self_, executor = executor_, wal = wal_.get()]() mutable {
    auto synced = syncData(wal);
    asio::post(executor, [turns = std::move(turns), self = std::move(self), synced = std::move(synced)] {
      if (*self != nullptr) (*self)->finish(turns, synced);
    });
  });
}

// The kernel tells of a page that it could not write once, and then may call it written: after one failure no success
// of this file's counts, whoever asks.
Result<void> GroupCommit::settle(Result<void> synced) {
  if (failed_) return std::unexpected(*failed_);
  // After the rows: a line never tells of a row that the machine may yet lose.
  if (synced) {
    synced = audit_.sync();
    if (synced || synced.error().code != ErrorCode::kIo) return synced;  // what was full has room again one day
    failed_ = std::move(synced).error();
  } else {
    failed_ = std::move(synced).error().within(path_);
  }
  if (lost_) lost_(*failed_);
  return std::unexpected(*failed_);
}

void GroupCommit::finish(const Turns& turns, Result<void> synced) {
  synced = settle(std::move(synced));
  faultPoint("group_commit.synced");
  for (const auto& turn : turns) {
    turn->done = true;
    turn->result = synced;
    turn->bell.cancel();
  }
  busy_ = false;
  if (!waiting_.empty()) begin();
}

}  // namespace agentos::agentd
