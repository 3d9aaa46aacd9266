// Catching up, as one node has it: the server that gives copies to others, and the fetching of one
// for itself when the leader's log begins behind what it has.
//
//   the leader offers --> fetched beside the journal, while this node votes and follows --> ready
//     --> the node is closed --> installed, if the rule allows it --> opened anew
//
// Called by the node's main thread; has threads of its own.
#pragma once

#include <mutex>
#include <optional>
#include <thread>

#include "daemon/catch_up_client.h"
#include "daemon/catch_up_server.h"
#include "daemon/config.h"
#include "daemon/stop_signal.h"
#include "journal/state_file.h"
#include "replicate/replicator.h"

namespace casbook::daemon {

class CatchUp {
 public:
  struct Node {
    journal::Storage* storage = nullptr;
    journal::JournalState state{};
    journal::BookShape shape{};
    uint64_t shape_digest = 0;
  };
  CatchUp(const ClusterConfig& config, uint64_t segment_bytes, const replicate::ClusterKeys& keys,
          const Node& node);
  ~CatchUp();

  // From here on others are given copies. `supply`: its storage, journal and holds are this node's.
  Result<void> serve(CatchUpSupply supply);
  // For what is begun from here on, by others and by this node.
  void set_keys(const replicate::ClusterKeys& keys);
  // Begins to fetch when something is wanted, ends what is not allowed any more.
  void look(const std::optional<replicate::Replicator::CatchUp>& wanted,
            const journal::OwnLog& own);
  // A copy is there that may be installed, as far as look() knew: the node is to be closed.
  bool is_ready() const;
  // Ends the server and a fetching under way; a copy that is there stays.
  void stop();
  // The node is closed, and `own` what it had. False: it had more than the copy by then.
  Result<bool> install(const journal::OwnLog& own);

  const journal::SegmentHolds& holds() const { return holds_; }
  CatchUpServer::Counts counts() const;

 private:
  void begin(const replicate::Replicator::CatchUp& wanted, const journal::OwnLog& own);
  bool must_stop() const;
  void join();

  const ClusterConfig& config_;
  const uint64_t segment_bytes_;
  replicate::ClusterKeys keys_;  // of the thread that calls
  const Node node_;
  journal::SegmentHolds holds_;
  std::unique_ptr<CatchUpServer> server_;
  std::thread fetcher_;
  int64_t next_ns_ = 0;

  mutable std::mutex mutex_;  // of all below
  bool is_fetching_ = false, is_stopping_ = false;
  std::unique_ptr<journal::CopyTarget> copy_;
};

// The numbers of a copy's segments begin behind those that are there, with room for such as are
// begun while it comes.
Result<uint64_t> segments_before_copy(const journal::Storage& storage);
journal::OfferedLog offered_by(const journal::CopyTarget& copy);

// A new node's journal, from any of the nodes of its configuration that gives it one; tried until
// then. False: told to stop before. Errors: this node's own disk; foreign_journal: it is known
// there with another disk.
Result<bool> join_cluster(const ClusterConfig& config, uint64_t segment_bytes,
                          const replicate::ClusterKeys& keys, const CatchUp::Node& node,
                          const StopSignal& stop);

}  // namespace casbook::daemon
