#include "daemon/control_socket.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "arena/arena.h"
#include "base/error.h"

namespace casbook::daemon {

using arena::OsFile;
using base::bad_argument;

namespace {

// For the line that is asked with, and for taking the answer.
constexpr int kPatienceMs = 2'000;

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return Error{.code = Code::bad_argument,
                 .detail = path + ": expected a path shorter than " +
                           std::to_string(sizeof address.sun_path) + " bytes"};
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

OsFile new_socket() {
  return OsFile(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// False: not within the time.
bool wait_for(const OsFile& socket, short events, int64_t until_ms) {
  for (int64_t left = until_ms - now_ms(); left > 0; left = until_ms - now_ms()) {
    pollfd ready{socket.fd(), events, 0};
    const int count = poll(&ready, 1, static_cast<int>(std::min<int64_t>(left, INT32_MAX)));
    if (count > 0) return true;
    if (count < 0 && errno != EINTR) return false;
  }
  return false;
}

// Up to the first newline. Nothing: it did not come, or there is no end to it.
std::optional<std::string> read_line(const OsFile& socket, size_t bytes_max, int64_t until_ms) {
  std::string line;
  char bytes[1024];
  while (line.size() <= bytes_max && wait_for(socket, POLLIN, until_ms)) {
    const ssize_t count = recv(socket.fd(), bytes, sizeof bytes, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count <= 0) return std::nullopt;
    line.append(bytes, static_cast<size_t>(count));
    if (const size_t end = line.find('\n'); end != line.npos) return line.substr(0, end);
  }
  return std::nullopt;
}

bool write_all(const OsFile& socket, std::string_view text, int64_t until_ms) {
  while (!text.empty() && wait_for(socket, POLLOUT, until_ms)) {
    const ssize_t count = send(socket.fd(), text.data(), text.size(), MSG_NOSIGNAL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count <= 0) return false;
    text.remove_prefix(static_cast<size_t>(count));
  }
  return text.empty();
}

std::string line_of(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json refusal(const Error& error) {
  return {{"ok", false},
          {"code", code_name(error.code)},
          {"number", static_cast<uint16_t>(error.code)},
          {"detail", error.detail}};
}

}  // namespace

// --- commands ------------------------------------------------------------------------------------

std::string ControlCommands::answer(const std::string& line, const MustStop& must_stop) const {
  const Json request = Json::parse(line, nullptr, false);
  if (!request.is_object() || !request.contains("command") || !request["command"].is_string())
    return line_of(refusal(bad_argument("expected a line like {\"command\": \"NAME\"}")));
  const auto& name = request["command"].get_ref<const std::string&>();
  const auto found = handlers_.find(name);
  if (found == handlers_.end()) {
    std::string known;
    for (const auto& [each, handler] : handlers_) known += (known.empty() ? "" : ", ") + each;
    return line_of(refusal(bad_argument("command: expected one of " + known)));
  }
  Result<Json> done = found->second(request, must_stop);
  if (!done) return line_of(refusal(done.error()));
  (*done)["ok"] = true;
  return line_of(*done);
}

Result<std::string> control_path(const std::string& directory, const std::string& book) {
  auto path = arena::book_path(directory, book);
  if (!path) return path.error();
  *path += ".control";
  if (auto address = address_of(*path); !address) return address.error();
  return path;
}

// --- the daemon's end ----------------------------------------------------------------------------

ControlSocket::ControlSocket(std::string path, ControlCommands commands)
    : path_(std::move(path)), commands_(std::move(commands)) {}

Result<std::unique_ptr<ControlSocket>> ControlSocket::open(const std::string& path,
                                                           ControlCommands commands) {
  std::unique_ptr<ControlSocket> control(new ControlSocket(path, std::move(commands)));
  auto listener = control->listen();
  if (!listener) return listener.error();
  auto acceptor =
      Acceptor::begin(*std::move(listener), {.connections_max = kConnectionsMax},
                      [raw = control.get()](OsFile socket, const Acceptor::MustStop& must_stop) {
                        raw->serve(socket, must_stop);
                      });
  if (!acceptor) return acceptor.error();
  control->acceptor_ = *std::move(acceptor);
  return control;
}

// Nobody can connect before listen(), so the mode is set in time.
Result<OsFile> ControlSocket::listen() const {
  auto address = address_of(path_);
  if (!address) return address.error();
  struct stat there;
  if (lstat(path_.c_str(), &there) == 0 && S_ISSOCK(there.st_mode)) (void)unlink(path_.c_str());
  OsFile listener = new_socket();
  if (!listener.is_open()) return arena::os_error(errno, "open", "a socket for " + path_);
  if (bind(listener.fd(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0)
    return arena::os_error(errno, "bind", path_);
  if (chmod(path_.c_str(), 0600) != 0) return arena::os_error(errno, "chmod", path_);
  if (::listen(listener.fd(), kConnectionsMax) != 0)
    return arena::os_error(errno, "listen at", path_);
  return listener;
}

ControlSocket::~ControlSocket() {
  if (!acceptor_) return;
  acceptor_.reset();
  (void)unlink(path_.c_str());
}

void ControlSocket::serve(const OsFile& socket, const Acceptor::MustStop& must_stop) const {
  const auto line = read_line(socket, kLineBytesMax, now_ms() + kPatienceMs);
  if (!line) return;
  const std::string answer =
      commands_.answer(*line, must_stop);  // may take as long as it was asked to
  (void)write_all(socket, answer, now_ms() + kPatienceMs);
}

// --- the other end -------------------------------------------------------------------------------

namespace {

Result<OsFile> connect_to(const std::string& path) {
  auto address = address_of(path);
  if (!address) return address.error();
  OsFile socket = new_socket();
  if (!socket.is_open()) return arena::os_error(errno, "open", "a socket for " + path);
  if (connect(socket.fd(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0)
    return socket;
  if (errno == ENOENT || errno == ECONNREFUSED)
    return Error{.code = Code::not_served, .detail = "nobody listens at " + path};
  return arena::os_error(errno, "connect to", path);
}

// The number says which code, so that exit codes are those of any other command.
Error error_of(const Json& answer) {
  Error error{.code = Code::io_error, .detail = "the daemon's answer is none"};
  if (!answer.is_object()) return error;
  if (const auto number = answer.find("number");
      number != answer.end() && number->is_number_unsigned())
    error.code = static_cast<Code>(number->get<uint16_t>());
  if (const auto detail = answer.find("detail"); detail != answer.end() && detail->is_string())
    error.detail = detail->get<std::string>();
  return error;
}

}  // namespace

Result<Json> ask_daemon(const std::string& path, const Json& request, int64_t timeout_ms) {
  constexpr size_t kAnswerBytesMax = 1 << 20;
  auto socket = connect_to(path);
  if (!socket) return socket.error();
  const int64_t until = now_ms() + timeout_ms;
  if (!write_all(*socket, line_of(request), until))
    return Error{.code = Code::io_error, .detail = "the daemon at " + path + " hung up"};
  const auto line = read_line(*socket, kAnswerBytesMax, until);
  if (!line)
    return Error{.code = now_ms() < until ? Code::outcome_unknown : Code::wait_timeout,
                 .detail = "no answer from the daemon at " + path};
  Json answer = Json::parse(*line, nullptr, false);
  const bool is_done = answer.is_object() && answer.value("ok", Json()) == Json(true);
  return is_done ? Result<Json>(std::move(answer)) : error_of(answer);
}

}  // namespace casbook::daemon
