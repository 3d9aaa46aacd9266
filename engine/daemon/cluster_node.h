// One life of one host of a cluster: the threads around a replicate::Replicator.
//
//   collector   records of the book -> the log; wakes when a caller waits
//   receiver    datagrams; time
//   completer   what is on disk
//   preparer    the next segment
//   reader      entries that are on disk alone, for followers that lack them
//   worker      the book: applies what is committed, promotes, rebuilds
//
// Each event is handled in the thread in which it occurs, under one mutex; no thread hands over to
// another. A failed disk ends the node: the others elect a leader among themselves.
//
// cluster_node.cc has what the main thread does, cluster_node_threads.cc the others.
#pragma once

#include <condition_variable>
#include <thread>
#include <utility>

#include "base/atomic.h"
#include "daemon/bell.h"
#include "daemon/catch_up.h"
#include "daemon/config.h"
#include "daemon/control_socket.h"
#include "daemon/fair_mutex.h"
#include "daemon/hosted_arena.h"
#include "daemon/live_keys.h"
#include "daemon/network_watch.h"
#include "daemon/node_events.h"
#include "daemon/node_ground.h"
#include "daemon/short_slices.h"
#include "daemon/stop_signal.h"
#include "daemon/version_watch.h"
#include "replicate/udp_network.h"

namespace casbook::daemon {

class ClusterNode {
 public:
  ClusterNode(const Config& config, Ground ground, std::unique_ptr<replicate::UdpNetwork> network,
              LiveKeys& keys, std::unique_ptr<CatchUp> catch_up)
      : config_(config),
        catch_up_(std::move(catch_up)),
        arena_(std::move(ground.arena)),
        log_(std::move(ground.log)),
        shape_(digest_of(ground.shape)),
        network_(std::move(network)),
        keys_(keys) {}
  ~ClusterNode() { stop_threads(); }

  Result<void> start(journal::Storage& storage, const journal::JournalState& state,
                     uint64_t applied, bool needs_rebuild, bool is_quarantined);

  enum class Left { stopped, to_install };
  // Until told to stop, or failed. to_install: a copy is there to take the place of the journal,
  // and all of this node is closed.
  Result<Left> serve(const StopSignal& stop);
  // Behind serve().
  journal::OwnLog own_log() const;
  std::unique_ptr<CatchUp> take_catch_up() { return std::move(catch_up_); }

 private:
  replicate::ReplicatorOptions options() const;
  CatchUpSupply supply() const;
  Result<void> open_control();
  Json describe() const;

  void look_after();
  Left leave();
  Result<void> reload_keys();
  Result<void> compact();
  Error give_up(const Error& error);
  Result<void> close();
  void settle_disk();
  void stop_threads();

  // The node, for what one thread has to say to it. Whom that gives work is woken when the next one
  // can have the node, and not to wait for it.
  class Turn {
   public:
    explicit Turn(ClusterNode& node) : node_(node), lock_(node.mutex_) {}
    ~Turn() {
      const bool has_work = std::exchange(node_.has_work_, false);
      lock_.unlock();
      if (has_work) node_.worker_.ring();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    ClusterNode& node_;
    std::unique_lock<FairMutex> lock_;
  };

  std::thread run(const char* name, void (ClusterNode::*body)(), Haste haste = Haste::answers);
  bool must_stop() const { return is_over_.load_relaxed() != 0; }  // nothing is read by it
  std::optional<Error> failure() const;
  // In a turn, after any event. An error ends the node.
  void settle(const Result<void>& done);

  // --- cluster_node_threads.cc
  void receive();
  int64_t take_in(Result<void> done, const replicate::UdpBatch& batch, uint32_t& taken);
  void collect();
  Result<bool> collect_some(int64_t now_ns);
  Result<void> collect_beside(int64_t now_ns);
  void complete();
  bool is_disk_over() const;
  void prepare();
  void note_space(const Result<void>& prepared);
  void read_back();
  void work();
  static bool is_of_the_book(const replicate::Task& task, const Error& error);
  Result<void> carry_out(const replicate::Task& task);
  void note_done(const replicate::Task& task);

  const Config& config_;
  std::unique_ptr<CatchUp> catch_up_;
  std::unique_ptr<HostedArena> arena_;
  std::unique_ptr<replicate::RaftLog> log_;
  const uint64_t shape_;  // what has to be equal on all nodes
  std::unique_ptr<replicate::UdpNetwork> network_;
  LiveKeys& keys_;  // main thread

  mutable FairMutex mutex_;  // of all below
  std::unique_ptr<replicate::Replicator> node_;
  std::condition_variable_any preparer_;
  bool is_stopping_ = false, is_closing_ = false, is_full_ = false;
  bool is_quiet_ = false;  // nothing is begun any more: neither entries nor answers
  std::optional<Error> failure_;
  bool has_work_ = false;         // for the worker, at the end of the turn
  bool is_worker_asleep_ = true;  // else it looks for entries by itself
  base::AtomicU64 is_over_{};     // is_stopping_ or failure_: to be read without the mutex
  Bell worker_;
  VersionWatch versions_;
  NetworkWatch network_watch_;
  NodeEvents events_{config_};
  replicate::Digest made_;  // worker, as what follows
  replicate::Comparison compared_;
  std::vector<std::thread> threads_;
  std::unique_ptr<ControlSocket> control_;
};

}  // namespace casbook::daemon
