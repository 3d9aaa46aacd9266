#include "daemon/catch_up_server.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>

#include "base/clock.h"
#include "daemon/event_log.h"
#include "replicate/udp_address.h"

namespace casbook::daemon {

using arena::OsFile;

namespace {

constexpr int kWaitMs = 50;
constexpr int kServerNice = 10;  // payments come first
// Clients in their handshake beside those who are given a copy.
constexpr size_t kConnectionsMore = 4;
constexpr int64_t kNsPerSecond = 1'000'000'000;

// Whoever sends no faster than that: sleeps before what would be too early.
class Throttle {
 public:
  explicit Throttle(uint64_t bytes_per_second)
      : bytes_per_second_(bytes_per_second), begun_ns_(base::monotonic_ns()) {}

  void pass(uint64_t bytes, const Acceptor::MustStop& must_stop) {
    bytes_ += bytes;
    if (bytes_per_second_ == 0) return;
    const auto due_ns =
        begun_ns_ + static_cast<int64_t>(static_cast<double>(bytes_) /
                                         static_cast<double>(bytes_per_second_) * kNsPerSecond);
    // Bounded by the time that these bytes are worth.
    while (!must_stop()) {
      const int64_t left = due_ns - base::monotonic_ns();
      if (left <= 0) return;
      std::this_thread::sleep_for(
          std::chrono::nanoseconds(std::min<int64_t>(left, kWaitMs * 1'000'000)));
    }
  }

 private:
  const uint64_t bytes_per_second_;
  const int64_t begun_ns_;
  uint64_t bytes_ = 0;
};

Error cannot_listen(const std::string& address, const char* call) {
  return {.code = Code::io_error,
          .detail = "catch-up server at " + address + ": " + call + ": " + std::strerror(errno)};
}

}  // namespace

Result<std::unique_ptr<CatchUpServer>> CatchUpServer::open(const CatchUpServerOptions& options,
                                                           const replicate::ClusterKeys& keys,
                                                           const CatchUpSupply& supply) {
  const auto address = replicate::parse_udp_address("catch-up server", options.address);
  if (!address) return address.error();
  OsFile listening(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listening.is_open()) return cannot_listen(options.address, "socket");
  const int yes = 1;
  (void)setsockopt(listening.fd(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listening.fd(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0)
    return cannot_listen(options.address, "bind");
  if (listen(listening.fd(), 16) != 0) return cannot_listen(options.address, "listen");
  auto server = std::unique_ptr<CatchUpServer>(new CatchUpServer(options, keys, supply));
  CatchUpServer* const raw = server.get();
  auto acceptor = Acceptor::begin(
      std::move(listening),
      {.connections_max = options.clients_max + kConnectionsMore,
       .nice = kServerNice,
       .turned_away = [raw] { raw->count([](Counts& counts) { ++counts.refused; }); }},
      [raw](OsFile socket, const MustStop& must_stop) {
        raw->serve(std::move(socket), must_stop);
      });
  if (!acceptor) return acceptor.error();
  server->acceptor_ = *std::move(acceptor);
  return server;
}

CatchUpServer::Counts CatchUpServer::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

template <class Change>
void CatchUpServer::count(Change change) {
  const std::lock_guard lock(mutex_);
  change(counts_);
}

void CatchUpServer::set_keys(const replicate::ClusterKeys& keys) {
  const std::lock_guard lock(mutex_);
  keys_ = keys;
}

replicate::ClusterKeys CatchUpServer::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

// --- a client ---

void CatchUpServer::serve(OsFile socket, const MustStop& must_stop) {
  ChannelOptions channel_options = options_.channel;
  channel_options.must_stop = must_stop;
  auto channel = CatchUpChannel::accept(
      std::move(socket), keys(),
      {.cluster = options_.cluster, .client = 0, .server = options_.node}, channel_options);
  if (!channel) return count([](Counts& counts) { ++counts.dropped; });
  std::vector<std::byte> plain;
  bool is_last = false;
  const auto received = channel->receive(plain, is_last);
  const auto request = received ? decode_request(plain) : std::nullopt;
  if (!request) return count([](Counts& counts) { ++counts.dropped; });
  Result<void> given;
  CatchUpAnswer answer = judge(*request, channel->peer());
  if (answer == CatchUpAnswer::yes) {
    const std::lock_guard lock(mutex_);
    if (giving_ >= options_.clients_max)
      answer = CatchUpAnswer::busy;
    else
      ++giving_;
  }
  if (answer != CatchUpAnswer::yes) {
    given = refuse(*channel, answer);
    log_event(Severity::warn, "copy_refused", {{"to", channel->peer()}, {"why", text_of(answer)}});
    return count([](Counts& counts) { ++counts.refused; });
  }
  given = give(*channel, *request, must_stop);
  count([&](Counts& counts) {
    --giving_;
    ++(given ? counts.copies : counts.broken);
    counts.bytes += channel->sent_bytes();
  });
  if (!given)
    log_event(Severity::warn, "copy_broken_off",
              {{"to", channel->peer()}, {"error", given.error().message()}});
}

CatchUpAnswer CatchUpServer::judge(const CatchUpRequest& request, uint64_t node) const {
  if (request.shape != options_.shape) return CatchUpAnswer::other_shape;
  if (supply_.is_known_disk && !supply_.is_known_disk(node, request.storage_id))
    return CatchUpAnswer::other_disk;
  return CatchUpAnswer::yes;
}

Result<void> CatchUpServer::refuse(CatchUpChannel& channel, CatchUpAnswer answer) {
  const auto byte = static_cast<std::byte>(answer);
  return channel.send({&byte, 1}, true);
}

Result<void> CatchUpServer::give(CatchUpChannel& channel, const CatchUpRequest& request,
                                 const MustStop& must_stop) {
  const int64_t begun = base::monotonic_ns();
  const auto hold = supply_.holds->hold();
  auto source = journal::CopySource::open(*supply_.storage, supply_.journal_id, supply_.end(),
                                          supply_.configuration);
  if (!source) {
    (void)!refuse(channel, CatchUpAnswer::cannot);
    return source.error();
  }
  hold->narrow((*source)->begin().base_next_lsn);
  log_event(Severity::info, "copy_begun",
            {{"to", channel.peer()},
             {"from_index", request.last_index},
             {"position", (*source)->begin().position},
             {"to_index", (*source)->begin().end_index}});
  const auto yes = static_cast<std::byte>(CatchUpAnswer::yes);
  if (auto sent = channel.send({&yes, 1}); !sent) return sent;
  Throttle throttle(options_.bytes_per_second);
  std::vector<std::byte> message;
  // Bounded by the copy.
  for (;;) {
    auto next = (*source)->next(message);
    if (!next) return next.error();
    throttle.pass(message.size(), must_stop);
    if (!*next) break;
    if (auto sent = channel.send(message); !sent) return sent;
  }
  if (auto sent = channel.send({}, true); !sent) return sent;
  log_event(Severity::info, "copy_given",
            {{"to", channel.peer()},
             {"bytes", channel.sent_bytes()},
             {"ms", (base::monotonic_ns() - begun) / 1'000'000}});
  return {};
}

}  // namespace casbook::daemon
