#include "daemon/acceptor.h"

#include <cerrno>

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace casbook::daemon {

using arena::OsFile;

namespace {
constexpr int kRetryMs = 50;
}

Result<std::unique_ptr<Acceptor>> Acceptor::begin(OsFile listener, const AcceptorOptions& options,
                                                  Serve serve) {
  OsFile waker(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!waker.is_open()) return arena::os_error(errno, "open", "an event to end a server by");
  return std::unique_ptr<Acceptor>(
      new Acceptor(std::move(listener), std::move(waker), options, std::move(serve)));
}

Acceptor::Acceptor(OsFile listener, OsFile waker, const AcceptorOptions& options, Serve serve)
    : options_(options),
      serve_(std::move(serve)),
      listener_(std::move(listener)),
      waker_(std::move(waker)),
      thread_([this] { accept_all(); }) {}

Acceptor::~Acceptor() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  const uint64_t one = 1;
  (void)!write(waker_.fd(), &one, sizeof one);
  thread_.join();
  for (Connection& connection : connections_) connection.thread.join();
}

bool Acceptor::must_stop() const {
  const std::lock_guard lock(mutex_);
  return is_stopping_;
}

void Acceptor::accept_all() {
  // Both are of this thread alone, on Linux, and those that it begins have them from it.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  if (options_.nice != 0) (void)setpriority(PRIO_PROCESS, 0, options_.nice);
  while (!must_stop()) {
    pollfd ready[] = {{listener_.fd(), POLLIN, 0}, {waker_.fd(), POLLIN, 0}};
    const bool has_one = poll(ready, std::size(ready), -1) > 0 && ready[0].revents != 0;
    forget_ended();
    if (has_one) accept_one();
  }
}

void Acceptor::accept_one() {
  OsFile socket(accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.is_open()) {
    // Gone again, or there is no room for another: then not again at once.
    pollfd ready{waker_.fd(), POLLIN, 0};
    (void)poll(&ready, 1, kRetryMs);
    return;
  }
  std::unique_lock lock(mutex_);
  if (is_stopping_) return;
  if (connections_.size() >= options_.connections_max) {
    lock.unlock();
    return options_.turned_away();
  }
  Connection& connection = connections_.emplace_back();
  connection.thread = std::thread([this, &connection, taken = std::move(socket)]() mutable {
    serve_(std::move(taken), [this] { return must_stop(); });
    const std::lock_guard over(mutex_);
    connection.has_ended = true;
  });
}

void Acceptor::forget_ended() {
  std::list<Connection> ended;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = connections_.begin(); at != connections_.end();) {
      const auto next = std::next(at);
      if (at->has_ended) ended.splice(ended.end(), connections_, at);
      at = next;
    }
  }
  for (Connection& connection : ended) connection.thread.join();
}

}  // namespace casbook::daemon
