// SPDX-License-Identifier: Apache-2.0
#include "models/curl_loop.h"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <utility>

namespace agentos::models {
namespace {

namespace asio = boost::asio;

}  // namespace

// A socket that libcurl owns and we watch for it: the descriptor is released, never closed.
struct Watch {
  Watch(const asio::any_io_executor& executor, int fd) : descriptor(executor, fd) {}
  ~Watch() { letGo(); }
  void letGo() {
    if (descriptor.is_open()) descriptor.release();
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  asio::posix::stream_descriptor descriptor;
  int wanted = 0;
  bool reading = false, writing = false;
};

struct CurlLoop::State : std::enable_shared_from_this<CurlLoop::State> {
  explicit State(asio::any_io_executor on) : executor(std::move(on)), timer(executor), multi(curl_multi_init()) {}
  ~State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void start();
  void stop();
  void act(curl_socket_t socket, int events);
  void tellFinished();
  void watch(curl_socket_t socket, int what);
  void arm(curl_socket_t socket, const std::shared_ptr<Watch>& watched);
  void await(curl_socket_t socket, const std::shared_ptr<Watch>& watched, bool Watch::* pending, bool write);
  void setTimer(long milliseconds);

  static int onSocket(CURL*, curl_socket_t socket, int what, void* self, void*) {
    static_cast<State*>(self)->watch(socket, what);
    return 0;
  }
  static int onTimer(CURLM*, long milliseconds, void* self) {
    static_cast<State*>(self)->setTimer(milliseconds);
    return 0;
  }

  asio::any_io_executor executor;
  asio::steady_timer timer;
  CURLM* multi;
  std::map<curl_socket_t, std::shared_ptr<Watch>> watches;
  std::map<CURL*, std::function<void(CURLcode)>> transfers;
};

void CurlLoop::State::start() {
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &State::onSocket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &State::onTimer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
}

void CurlLoop::State::stop() {
  for (auto& [easy, done] : std::exchange(transfers, {})) curl_multi_remove_handle(multi, easy);
  curl_multi_cleanup(multi);
  multi = nullptr;
  watches.clear();
  timer.cancel();
}

void CurlLoop::State::act(curl_socket_t socket, int events) {
  if (!multi) return;
  int running = 0;
  curl_multi_socket_action(multi, socket, events, &running);
  tellFinished();
}

void CurlLoop::State::tellFinished() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const auto found = transfers.find(message->easy_handle);
    if (found == transfers.end()) continue;
    const auto done = std::exchange(found->second, nullptr);
    if (done) done(message->data.result);
  }
}

void CurlLoop::State::watch(curl_socket_t socket, int what) {
  if (what == CURL_POLL_REMOVE) {
    // At once, though a handler may still hold it: libcurl closes the socket now, and may open another of the same
    // number before that handler is done, whose watch a later release would take away.
    if (const auto found = watches.find(socket); found != watches.end()) {
      found->second->letGo();
      watches.erase(found);
    }
    return;
  }
  auto& watched = watches[socket];
  if (!watched) watched = std::make_shared<Watch>(executor, socket);
  watched->wanted = what;
  arm(socket, watched);
}

void CurlLoop::State::arm(curl_socket_t socket, const std::shared_ptr<Watch>& watched) {
  if ((watched->wanted & CURL_POLL_IN) && !watched->reading) await(socket, watched, &Watch::reading, false);
  if ((watched->wanted & CURL_POLL_OUT) && !watched->writing) await(socket, watched, &Watch::writing, true);
}

void CurlLoop::State::await(curl_socket_t socket, const std::shared_ptr<Watch>& watched, bool Watch::* pending,
                            bool write) {
  (*watched).*pending = true;
  const auto direction = write ? asio::posix::stream_descriptor::wait_write : asio::posix::stream_descriptor::wait_read;
  watched->descriptor.async_wait(direction, [weak = weak_from_this(), still = std::weak_ptr(watched), socket, pending,
                                             write](boost::system::error_code error) {
    const auto self = weak.lock();
    const auto held = still.lock();
    if (!self || !held || error == asio::error::operation_aborted) return;
    (*held).*pending = false;
    const bool wanted = (held->wanted & (write ? CURL_POLL_OUT : CURL_POLL_IN)) != 0;
    if (wanted) self->act(socket, error ? CURL_CSELECT_ERR : write ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
    const auto now = self->watches.find(socket);  // it may have gone, or come again as another, inside act()
    if (now != self->watches.end() && now->second == held) self->arm(socket, held);
  });
}

void CurlLoop::State::setTimer(long milliseconds) {
  timer.cancel();
  if (milliseconds < 0) return;
  timer.expires_after(std::chrono::milliseconds(milliseconds));
  timer.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    if (const auto self = weak.lock(); self && !error) self->act(CURL_SOCKET_TIMEOUT, 0);
  });
}

CurlLoop::CurlLoop(asio::any_io_executor executor) : state_(std::make_shared<State>(std::move(executor))) {
  state_->start();
}
CurlLoop::~CurlLoop() { state_->stop(); }

Result<void> CurlLoop::add(CURL* easy, std::function<void(CURLcode)> done) {
  state_->transfers[easy] = std::move(done);
  if (const CURLMcode code = curl_multi_add_handle(state_->multi, easy); code != CURLM_OK) {
    state_->transfers.erase(easy);
    return fail(ErrorCode::kInternal, std::string("libcurl: ") + curl_multi_strerror(code));
  }
  return {};
}

void CurlLoop::remove(CURL* easy) {
  if (state_->transfers.erase(easy) > 0) curl_multi_remove_handle(state_->multi, easy);
}

asio::any_io_executor CurlLoop::executor() const { return state_->executor; }

}  // namespace agentos::models
