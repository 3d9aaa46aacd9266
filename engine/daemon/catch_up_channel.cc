#include "daemon/catch_up_channel.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "replicate/udp_address.h"

namespace casbook::daemon {

using arena::OsFile;
using replicate::SealedStream;

namespace {

constexpr int kPollMs = 50;

Error broken(const char* call, int error_number) {
  return {
      .code = Code::io_error,
      .detail = std::string("catch-up connection: ") + call + ": " + std::strerror(error_number)};
}

Error not_believed(const char* why) {
  return {.code = Code::no_permission, .detail = std::string("catch-up connection: ") + why};
}

// The socket, and until when.
struct Waiting {
  int fd;
  int64_t until_ns;
  const std::function<bool()>& must_stop;

  Result<void> wait(short events) const {
    for (;;) {
      if (must_stop()) return Code::wait_cancelled;
      const int64_t left_ms = (until_ns - base::monotonic_ns()) / 1'000'000;
      if (left_ms < 0) return broken("wait", ETIMEDOUT);
      pollfd ready{fd, events, 0};
      const int count = poll(&ready, 1, static_cast<int>(std::min<int64_t>(left_ms + 1, kPollMs)));
      if (count < 0 && errno != EINTR) return broken("poll", errno);
      if (count > 0) return {};
    }
  }

  Result<void> read(std::span<std::byte> into) const {
    // Progress: bytes, or the time is over.
    while (!into.empty()) {
      const ssize_t bytes = recv(fd, into.data(), into.size(), MSG_DONTWAIT);
      if (bytes == 0) return broken("receive", ECONNRESET);
      if (bytes > 0) {
        into = into.subspan(static_cast<size_t>(bytes));
      } else if (errno == EAGAIN) {
        if (auto waited = wait(POLLIN); !waited) return waited;
      } else if (errno != EINTR) {
        return broken("receive", errno);
      }
    }
    return {};
  }

  Result<void> write(std::span<const std::byte> bytes) const {
    // Progress: bytes, or the time is over.
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) {
        bytes = bytes.subspan(static_cast<size_t>(sent));
      } else if (errno == EAGAIN) {
        if (auto waited = wait(POLLOUT); !waited) return waited;
      } else if (errno != EINTR) {
        return broken("send", errno);
      }
    }
    return {};
  }
};

Waiting waiting(const OsFile& socket, const ChannelOptions& options,
                std::chrono::milliseconds time) {
  return {socket.fd(), base::monotonic_ns() + std::chrono::nanoseconds(time).count(),
          options.must_stop};
}

Result<OsFile> open_connection(const std::string& address, const ChannelOptions& options) {
  const auto parsed = replicate::parse_udp_address("catch-up server", address);
  if (!parsed) return parsed.error();
  OsFile opened(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!opened.is_open()) return broken("socket", errno);
  if (connect(opened.fd(), reinterpret_cast<const sockaddr*>(&*parsed), sizeof *parsed) != 0) {
    if (errno != EINPROGRESS) return broken("connect", errno);
    if (auto waited = waiting(opened, options, options.handshake_time).wait(POLLOUT); !waited)
      return waited.error();
    int error = 0;
    socklen_t bytes = sizeof error;
    if (getsockopt(opened.fd(), SOL_SOCKET, SO_ERROR, &error, &bytes) != 0) error = errno;
    if (error != 0) return broken("connect", error);
  }
  return opened;
}

}  // namespace

Result<CatchUpChannel> CatchUpChannel::connect(const std::string& address,
                                               const replicate::ClusterKeys& keys,
                                               const replicate::StreamName& name,
                                               const ChannelOptions& options) {
  auto opened = open_connection(address, options);
  if (!opened) return opened.error();
  SealedStream stream = SealedStream::connect(keys, name);
  const Waiting steps = waiting(*opened, options, options.handshake_time);
  if (auto done = steps.write(stream.hello()); !done) return done.error();
  std::array<std::byte, replicate::kStreamWelcomeBytes> welcome;
  if (auto done = steps.read(welcome); !done) return done.error();
  if (!stream.take_welcome(welcome))
    return not_believed("who answers has another key, or is another node or version");
  if (auto done = steps.write(stream.proof()); !done) return done.error();
  return CatchUpChannel(std::move(*opened), std::move(stream), options, name.server);
}

Result<CatchUpChannel> CatchUpChannel::accept(OsFile socket, const replicate::ClusterKeys& keys,
                                              const replicate::StreamName& name,
                                              const ChannelOptions& options) {
  const Waiting steps = waiting(socket, options, options.handshake_time);
  std::array<std::byte, replicate::kStreamHelloBytes> hello;
  if (auto done = steps.read(hello); !done) return done.error();
  auto stream = SealedStream::accept(keys, name, hello);
  if (!stream) {
    const auto version = SealedStream::version_of(hello);
    if (version && *version > replicate::kStreamVersion)
      return not_believed("the other speaks a newer version: upgrade this one");
    return not_believed("no greeting of this cluster, for this node, by a key of it");
  }
  if (auto done = steps.write(stream->welcome()); !done) return done.error();
  std::array<std::byte, replicate::kStreamProofBytes> proof;
  if (auto done = steps.read(proof); !done) return done.error();
  if (!stream->take_proof(proof)) return not_believed("the other does not know the key");
  const uint64_t peer = stream->client();
  return CatchUpChannel(std::move(socket), std::move(*stream), options, peer);
}

Result<void> CatchUpChannel::send(std::span<const std::byte> plain, bool is_last) {
  frame_.clear();
  stream_.seal(plain, is_last, frame_);
  sent_bytes_ += frame_.size();
  return waiting(socket_, options_, options_.frame_time).write(frame_);
}

Result<void> CatchUpChannel::receive(std::vector<std::byte>& plain, bool& is_last) {
  const Waiting steps = waiting(socket_, options_, options_.frame_time);
  std::array<std::byte, replicate::kStreamFrameHeadBytes> head;
  if (auto done = steps.read(head); !done) return done;
  const auto bytes = SealedStream::bytes_of(head);
  if (!bytes) return not_believed("a frame of no length that there is");
  frame_.resize(*bytes);
  if (auto done = steps.read(frame_); !done) return done;
  if (!stream_.open(frame_, plain, is_last))
    return not_believed("a frame that the other did not seal, or out of its order");
  return {};
}

// --- the question ---

const char* text_of(CatchUpAnswer answer) {
  switch (answer) {
    case CatchUpAnswer::yes:
      return "yes";
    case CatchUpAnswer::busy:
      return "it is busy with others";
    case CatchUpAnswer::other_shape:
      return "its book has another shape";
    case CatchUpAnswer::other_disk:
      return "this node was known there with another disk: one that lost its disk needs a new id";
    case CatchUpAnswer::cannot:
      return "its own journal does not give a copy";
  }
  return "an answer that is none";
}

std::array<std::byte, 32> encode(const CatchUpRequest& request) {
  std::array<std::byte, 32> bytes;
  const std::array<uint64_t, 4> words{request.shape, request.storage_id, request.last_index,
                                      request.last_term};
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return bytes;
}

std::optional<CatchUpRequest> decode_request(std::span<const std::byte> bytes) {
  std::array<uint64_t, 4> words;
  if (bytes.size() != sizeof words) return std::nullopt;
  std::memcpy(words.data(), bytes.data(), sizeof words);
  return CatchUpRequest{words[0], words[1], words[2], words[3]};
}

}  // namespace casbook::daemon
