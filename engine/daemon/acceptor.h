// Serves whoever connects to a listening socket: a thread that accepts, and one for each
// connection, few at a time. Beyond so many they find a closed door: nobody who is waited for may
// keep others out for long.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include <casbook/result.h>

#include "arena/os_file.h"

namespace casbook::daemon {

struct AcceptorOptions {
  size_t connections_max = 8;
  int nice = 0;                               // of its threads
  std::function<void()> turned_away = [] {};  // for each beyond so many, in the accepting thread
};

class Acceptor {
 public:
  using MustStop = std::function<bool()>;
  // In the connection's thread, several at once; comes back soon after `must_stop` says so. The
  // socket does not block.
  using Serve = std::function<void(arena::OsFile socket, const MustStop& must_stop)>;

  // `listener` listens, and does not block. Its threads get no signals. io_error.
  static Result<std::unique_ptr<Acceptor>> begin(arena::OsFile listener,
                                                 const AcceptorOptions& options, Serve serve);
  // Comes back when nobody is served any more.
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

 private:
  struct Connection {
    std::thread thread;
    bool has_ended = false;
  };
  Acceptor(arena::OsFile listener, arena::OsFile waker, const AcceptorOptions& options,
           Serve serve);
  void accept_all();
  void accept_one();
  void forget_ended();
  bool must_stop() const;

  const AcceptorOptions options_;
  const Serve serve_;
  const arena::OsFile listener_, waker_;
  mutable std::mutex mutex_;  // of what follows
  bool is_stopping_ = false;
  std::list<Connection> connections_;
  std::thread thread_;
};

}  // namespace casbook::daemon
