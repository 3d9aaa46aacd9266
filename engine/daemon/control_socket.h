// What operators ask of a running daemon: a Unix socket beside the arena, mode 0600, so that who
// may ask is who may write there. One line of JSON in, one line back, then it is closed.
//
//   {"command": "remove", "id": 3, "timeout_ms": 5000}
//   {"ok": true, ...}   or   {"ok": false, "code": "bad_argument", "detail": "ID 3: expected ..."}
//
// Each connection has a thread of its own, few at a time: a command may take as long as whoever
// asks wants to wait. Nothing that comes is trusted to be JSON, or to end.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include <casbook/result.h>

#include "daemon/acceptor.h"

namespace casbook::daemon {

using Json = nlohmann::json;

// By name, what a daemon does when it is asked. A handler may block, and gives up soon after
// `must_stop` says so; it is called from several threads at once. Its fields come back beside "ok".
class ControlCommands {
 public:
  using MustStop = Acceptor::MustStop;
  using Handler = std::function<Result<Json>(const Json& request, const MustStop& must_stop)>;
  void add(std::string name, Handler handler) {
    handlers_.insert_or_assign(std::move(name), std::move(handler));
  }
  // The line that comes back, for the line that came.
  std::string answer(const std::string& line, const MustStop& must_stop) const;

 private:
  std::map<std::string, Handler> handlers_;
};

// Where the daemon of that book listens. bad_argument: the path does not fit into an address.
Result<std::string> control_path(const std::string& directory, const std::string& book);

class ControlSocket {
 public:
  static constexpr size_t kLineBytesMax = 4096;
  static constexpr size_t kConnectionsMax = 8;

  // What has the name, a dead daemon left: the caller holds the lock of the journal. Errors:
  // no_permission, io_error.
  static Result<std::unique_ptr<ControlSocket>> open(const std::string& path,
                                                     ControlCommands commands);
  // Ends once the handlers have.
  ~ControlSocket();

 private:
  ControlSocket(std::string path, ControlCommands commands);
  Result<arena::OsFile> listen() const;
  void serve(const arena::OsFile& socket, const Acceptor::MustStop& must_stop) const;

  const std::string path_;
  const ControlCommands commands_;
  std::unique_ptr<Acceptor> acceptor_;
};

// The other end: sends `request`, and returns what came back, or its error as an Error of that
// code. not_served: nobody listens there. Blocking, `timeout_ms` at most, then wait_timeout.
Result<Json> ask_daemon(const std::string& path, const Json& request, int64_t timeout_ms);

}  // namespace casbook::daemon
