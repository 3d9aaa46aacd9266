// Gives copies of this node's journal to nodes that ask for one: by TCP, at the node's own address.
//
// A thread for each client (acceptor.h). None of them holds the node's mutex; what they read
// is on disk, and is kept there meanwhile. Payments go first: the rate is bounded, the number of
// clients is, and the time that a slow or silent one gets.
#pragma once

#include <mutex>

#include "daemon/acceptor.h"
#include "daemon/catch_up_channel.h"
#include "journal/copy_source.h"
#include "journal/segment_holds.h"

namespace casbook::daemon {

// What it gives. Called from its threads; all of it outlives the server.
struct CatchUpSupply {
  const journal::Storage* storage = nullptr;
  uint64_t journal_id = 0;
  journal::SegmentHolds* holds = nullptr;
  std::function<journal::CopySource::End()> end;  // of what is synced
  std::function<std::vector<std::byte>(uint64_t base_index)> configuration = {};
  std::function<bool(uint64_t node, uint64_t storage_id)> is_known_disk = {};
};

struct CatchUpServerOptions {
  std::string address{};  // "10.0.0.1:7400"; TCP beside the datagrams of the same port
  uint64_t cluster = 0, node = 0;
  uint64_t shape = 0;
  uint64_t bytes_per_second = 0;  // of each client; 0: as fast as it goes
  uint32_t clients_max = 2;
  ChannelOptions channel{};
};

class CatchUpServer {
 public:
  struct Counts {
    uint64_t copies = 0;   // given whole
    uint64_t broken = 0;   // begun, and broken off
    uint64_t refused = 0;  // told no: busy, another shape or disk
    uint64_t dropped = 0;  // without the key, of another version, forged
    uint64_t bytes = 0;
  };

  // io_error: the address cannot be listened at.
  static Result<std::unique_ptr<CatchUpServer>> open(const CatchUpServerOptions& options,
                                                     const replicate::ClusterKeys& keys,
                                                     const CatchUpSupply& supply);
  Counts counts() const;
  // For those who ask from here on.
  void set_keys(const replicate::ClusterKeys& keys);

 private:
  using MustStop = Acceptor::MustStop;

  CatchUpServer(const CatchUpServerOptions& options, const replicate::ClusterKeys& keys,
                const CatchUpSupply& supply)
      : options_(options), supply_(supply), keys_(keys) {}
  void serve(arena::OsFile socket, const MustStop& must_stop);
  Result<void> give(CatchUpChannel& channel, const CatchUpRequest& request,
                    const MustStop& must_stop);
  Result<void> refuse(CatchUpChannel& channel, CatchUpAnswer answer);
  CatchUpAnswer judge(const CatchUpRequest& request, uint64_t node) const;
  replicate::ClusterKeys keys() const;
  template <class Change>
  void count(Change change);

  const CatchUpServerOptions options_;
  const CatchUpSupply supply_;

  mutable std::mutex mutex_;  // of what follows
  replicate::ClusterKeys keys_;
  Counts counts_;
  uint32_t giving_ = 0;

  std::unique_ptr<Acceptor> acceptor_;  // ends before what its threads use
};

}  // namespace casbook::daemon
