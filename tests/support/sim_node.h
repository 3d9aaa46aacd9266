// One simulated host: its disk, its memory, and its daemon, which is the daemon's own objects
// driven as the daemon's threads drive them, by events in virtual time.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "daemon/live_keys.h"
#include "journal/copy_source.h"
#include "journal/copy_target.h"
#include "journal/segment_holds.h"
#include "support/faulty_storage.h"
#include "support/sim_book.h"
#include "support/sim_network.h"
#include "support/sim_truth.h"

namespace casbook::test {

struct SimNodeOptions {
  uint64_t id = 1, nodes = 3, seed = 1;  // those up to `nodes` are members from the beginning
  uint64_t memory_bytes = 64 << 20;  // of entries, in the log
  uint64_t entry_bytes_max = 32 << 10;
  uint64_t window_entries = 4096;
  bool is_multicast = true;
  // Takes checkpoints, and its log loses what they cover: who is behind that needs a copy.
  bool is_compacting = false;
  SimBug bug = SimBug::none;
  std::string directory;
  std::string key_file{};  // read at each start, and again when it is told to; none: one key for good
};

replicate::Configuration sim_configuration(uint64_t nodes);

class SimNode {
 public:
  SimNode(SimEvents& events, SimNetwork& network, SimTruth& truth, const SimNodeOptions& options);
  ~SimNode();

  // The daemon begins; what it finds decides how. Does nothing if it runs or there is no power.
  void start();
  // SIGKILL: memory of the host and of those who pay stays.
  void kill();
  // The power of the host is gone, with all memory; start() brings it back.
  void lose_power();
  // SIGSTOP until then.
  void stop_until(int64_t ns);
  void jump_wall_clock(int64_t ms) { wall_offset_ms_ += ms; }

  void receive(const std::vector<std::byte>& datagram);
  // What an operator asks of the daemon; see Replicator::ask().
  Result<uint64_t> ask(const replicate::MemberRequest& request);
  std::optional<Result<void>> take_answer(uint64_t ticket) { return node_->take_answer(ticket); }
  // SIGHUP.
  void reload_keys() { run(&SimNode::on_reload_keys); }
  const replicate::ClusterKeys& keys() const { return keys_->keys(); }
  uint64_t dropped_forged() const { return node_ ? node_->transport().counts().dropped_forged : 0; }
  // Somebody who pays waits for an answer.
  void demand();
  // Between these, clocks are this host's.
  void enter() const;

  uint64_t id() const { return options_.id; }
  bool is_up() const { return node_ != nullptr; }
  uint64_t life() const { return life_; }  // of the daemon: tickets are of one
  bool is_powered() const { return is_powered_; }
  SimBook& book() { return book_; }
  const std::string& directory() const { return options_.directory; }
  FaultyStorage& storage() { return storage_; }
  const replicate::Replicator& replicator() const { return *node_; }
  bool is_leading() const { return node_ && node_->standing() == replicate::Standing::leading; }
  // Its disk does not let the entries be read that it committed last.
  bool is_blind() const { return is_blind_; }
  bool has_all_applied() const;
  std::string describe() const;
  // Of the log now, or when it went down.
  uint64_t term_at(uint64_t index) const;
  // It had that entry in memory, and a crash took it.
  bool has_lost(uint64_t index, uint64_t term) const { return lost_.contains({index, term}); }
  // Whatever the daemon says in its one event; empty: it is not quarantined.
  std::string quarantine() const;
  // A book that is quarantined is no surprise.
  bool may_be_quarantined = false;
  int64_t disk_ns = 200 * kSimUs;               // until something completes, up to twice that
  std::function<void()> on_power_lost = [] {};  // whoever else lives on this host is gone too
  uint64_t repair_bytes() const;
  // Where the copies come from.
  void set_peers(std::function<SimNode*(uint64_t node)> peers) { peers_ = std::move(peers); }
  uint64_t copies() const { return copies_; }  // installed
  bool is_copying() const { return copying_ != nullptr; }
  journal::SegmentHolds& holds() { return holds_; }

 private:
  struct Ground;
  Result<void> open();
  Result<journal::JournalState> open_state();
  Result<replicate::ReplicatorOptions> node_options();
  Result<replicate::ClusterKeys> open_keys();
  // An event of this life of the daemon; waits while it is stopped.
  void after(int64_t ns, void (SimNode::*event)());
  void run(void (SimNode::*event)());
  void end_life();
  void fail_to_start(const Error& error);
  void start_later();
  // After any event, as the daemon's settle(). An error ends the node.
  void settle(const Result<void>& done);
  void schedule();
  void observe();
  void observe_failed();
  bool observe_committed(uint64_t commit);
  void observe_told();
  void settle_task(const Error& error);
  void observe_quarantine();
  void give_up(const Error& error);
  Result<void> collect_all();

  void on_reload_keys();
  void on_tick();
  void on_disk();
  void on_prepare();
  void on_read();
  Result<void> in_turn(const std::function<Result<void>()>& body);
  void on_collect();
  void on_flush();
  void on_task();
  void on_task_done();
  Result<void> carry_out_task();

  // --- sim_catch_up.cc
  // A copy on its way here, from a life of another node.
  struct Copying {
    SimNode* from = nullptr;
    uint64_t life = 0;
    std::unique_ptr<journal::SegmentHolds::Hold> hold;
    std::unique_ptr<journal::CopySource> source;
    std::unique_ptr<journal::CopyTarget> target;
  };
  void on_checkpoint();
  Result<void> copy_records(uint64_t from, uint64_t to,
                            const std::function<void(std::span<const uint64_t>)>& sink) const;
  Result<void> take_checkpoint();
  uint64_t needed_from() const;
  Result<void> forget_entries_below(uint64_t lsn);
  Result<void> remove_segments(uint64_t lsn);
  void look_for_copy();
  void on_copy();
  bool can_reach(const SimNode& other) const;
  void give_up_copy(const Error& error);
  void install_copy();
  journal::OwnLog own_log() const;
  SimWho who() const { return {'n', options_.id}; }
  int64_t some(int64_t ns) {
    return static_cast<int64_t>(random_.below(static_cast<uint64_t>(ns) + 1));
  }

  SimEvents& events_;
  SimNetwork& network_;
  SimTruth& truth_;
  const SimNodeOptions options_;
  Random random_;
  FaultyStorage storage_;
  SimBook book_;
  bool is_powered_ = true;
  int64_t wall_offset_ms_ = 0;
  const int64_t boot_offset_ns_;
  std::vector<uint64_t> terms_at_death_;
  std::set<std::pair<uint64_t, uint64_t>> lost_;
  uint64_t repair_bytes_before_ = 0;
  std::function<SimNode*(uint64_t node)> peers_;
  journal::SegmentHolds holds_;
  uint64_t copies_ = 0;

  // Of one life.
  uint64_t life_ = 0;
  int64_t stopped_until_ = 0;
  std::vector<void (SimNode::*)()> held_;
  std::deque<std::vector<std::byte>> socket_;  // while it is stopped
  journal::JournalState state_;
  std::unique_ptr<replicate::RaftLog> log_;
  std::unique_ptr<replicate::Replicator> node_;
  std::optional<daemon::LiveKeys> keys_;
  replicate::Task task_;
  std::unique_ptr<Copying> copying_;
  int64_t next_copy_ns_ = 0;
  replicate::Digest made_;
  replicate::Comparison compared_;
  bool is_task_carried_out_ = false, is_full_ = false, is_blind_ = false;
  int64_t tick_at_ = 0;
  bool is_disk_scheduled_ = false, is_prepare_scheduled_ = false, is_task_scheduled_ = false;
  bool is_collect_scheduled_ = false, is_flush_scheduled_ = false, is_read_scheduled_ = false;
  uint64_t commit_seen_ = 0, commit_reached_ = 0, term_seen_ = 0;
  replicate::Role role_seen_ = replicate::Role::follower;
  replicate::Standing standing_seen_ = replicate::Standing::following;
  Position durable_seen_, quorum_seen_;
};

}  // namespace casbook::test
