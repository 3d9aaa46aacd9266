// One TCP connection between two nodes, sealed (replicate/sealed_stream.h): what the catch-up
// server and its clients talk over.
//
// Nothing waits for ever: every step has its time, and ends when `must_stop` says so. One thread at
// a time.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "arena/os_file.h"
#include "replicate/sealed_stream.h"

namespace casbook::daemon {

struct ChannelOptions {
  std::chrono::milliseconds handshake_time{5'000};
  // For one frame, at most about 1 MiB, to go out or come in. Bounds how long a silent or slow node
  // is held on to.
  std::chrono::milliseconds frame_time{30'000};
  std::function<bool()> must_stop = [] { return false; };
};

class CatchUpChannel {
 public:
  // Errors: io_error: nobody answers, or the connection breaks; no_permission: who answers does not
  // know the keys, is another node, or speaks another version; wait_cancelled.
  static Result<CatchUpChannel> connect(const std::string& address,
                                        const replicate::ClusterKeys& keys,
                                        const replicate::StreamName& name,
                                        const ChannelOptions& options);
  // Of a connection that was accepted.
  static Result<CatchUpChannel> accept(arena::OsFile socket, const replicate::ClusterKeys& keys,
                                       const replicate::StreamName& name,
                                       const ChannelOptions& options);

  Result<void> send(std::span<const std::byte> plain, bool is_last = false);
  // no_permission: a frame that is none of this stream. `is_last`: none comes behind it.
  Result<void> receive(std::vector<std::byte>& plain, bool& is_last);
  uint64_t peer() const { return peer_; }  // node, proven
  uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  CatchUpChannel(arena::OsFile socket, replicate::SealedStream stream,
                 const ChannelOptions& options, uint64_t peer)
      : socket_(std::move(socket)), stream_(std::move(stream)), options_(options), peer_(peer) {}

  arena::OsFile socket_;
  replicate::SealedStream stream_;
  ChannelOptions options_;
  uint64_t peer_;
  uint64_t sent_bytes_ = 0;
  std::vector<std::byte> frame_;
};

// What a client asks for, and the server's answer before the first message of a copy.
struct CatchUpRequest {
  uint64_t shape = 0;                      // of the book's cells; has to be the server's
  uint64_t storage_id = 0;                 // of the client's disk
  uint64_t last_index = 0, last_term = 0;  // of its log: for people
};
enum class CatchUpAnswer : uint8_t {
  yes = 0,
  busy = 1,         // others are being served: again later
  other_shape = 2,  // of another book
  other_disk = 3,   // that node was known with another disk
  cannot = 4,       // the server's own journal does not give it
};
const char* text_of(CatchUpAnswer answer);
std::array<std::byte, 32> encode(const CatchUpRequest& request);
std::optional<CatchUpRequest> decode_request(std::span<const std::byte> bytes);

}  // namespace casbook::daemon
