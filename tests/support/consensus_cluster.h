// Several Consensus objects in one process over virtual time, disks and links. Consensus only: the
// transport, the journal and the book are not here.
//
// After every event it is checked that a term has one leader, that a node gives one vote per term,
// that commit indices never fall, that what is committed is the same everywhere, that a leader
// commits only what a majority of the voters' disks has, and that who is no voter stands for no
// election.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>

#include "replicate/consensus.h"
#include "support/random.h"

namespace casbook::test {

struct ClusterFaults {
  uint32_t loss_percent = 0, duplicate_percent = 0;
  uint32_t delay_ms_max = 1;   // at random, so more than 1 reorders
  uint32_t disk_ms_max = 1;    // until written entries are on disk
  uint32_t report_ms_max = 0;  // from then until consensus hears of it, in order
};

class ConsensusCluster {
 public:
  // Behind the voters so many that are no members, and have nothing.
  ConsensusCluster(uint64_t nodes, uint64_t seed, const ClusterFaults& faults = {},
                   uint64_t spares = 0);

  // One millisecond: messages, disks, then timeouts that are due.
  void tick();
  void run(int64_t ms);
  // Runs until there is a leader that all its members that are up follow. 0: not within 10 s.
  uint64_t settle();

  replicate::Consensus& at(uint64_t node) { return *nodes_.at(node).consensus; }
  bool is_up(uint64_t node) const { return nodes_.at(node).consensus != nullptr; }
  uint64_t leader() const;  // of the highest term; 0: none
  // Index of the entry; 0: refused.
  uint64_t submit(uint64_t node);
  uint64_t submit(uint64_t node, const replicate::Configuration& change);
  void carry_out(uint64_t node, Result<replicate::Update> update);

  void crash(uint64_t node);  // what is not on disk is gone
  void restart(uint64_t node);
  // What is committed and on disk goes, up to `index`.
  void compact(uint64_t node, uint64_t index);
  void cut(uint64_t from, uint64_t to) { cut_.insert({from, to}); }
  void join(uint64_t a, uint64_t b) { cut_.erase({a, b}), cut_.erase({b, a}); }
  void isolate(uint64_t node);
  void heal() { cut_.clear(); }
  void hold_disk(uint64_t node, bool held) { nodes_.at(node).is_disk_held = held; }
  void set_faults(const ClusterFaults& faults) { faults_ = faults; }

  uint64_t nodes() const { return nodes_.size(); }
  int64_t now_ms() const { return now_ms_; }
  const std::vector<replicate::EntryPtr>& log(uint64_t node) const { return nodes_.at(node).log; }
  uint64_t committed() const { return agreed_.size(); }
  uint64_t committed_on_all_disks() const;
  uint64_t messages_sent() const { return messages_sent_; }
  uint64_t rejections() const { return rejections_; }
  const std::string& violation() const { return violation_; }  // the first one

  static replicate::Configuration configuration(uint64_t nodes);
  static replicate::EntryPtr first_entry(uint64_t nodes);

 private:
  struct Write {
    std::vector<replicate::EntryPtr> entries;
    int64_t done_ms;
  };
  struct Report {
    uint64_t index, term;
    int64_t due_ms;
  };
  struct Node {
    std::unique_ptr<replicate::Consensus> consensus;
    std::vector<replicate::EntryPtr> log;  // as consensus has it; entry i at i - 1
    std::vector<replicate::EntryPtr> disk;
    uint64_t term = 1, voted_for = 0;  // on disk
    uint64_t base = 0;                 // compacted up to here; the entries stay, to compare
    std::map<uint64_t, uint64_t> votes;
    uint64_t commit_seen = 0;
    bool is_disk_held = false;
    std::deque<Write> writes;
    std::deque<Report> reports;
  };
  struct Envelope {
    uint64_t from, to;
    replicate::Message message;
    int64_t due_ms;
  };

  void fail(const std::string& what);
  void check(uint64_t id);
  void check_commit(uint64_t id);
  void send(uint64_t from, replicate::Outgoing&& outgoing);
  void deliver();
  void turn_disk(uint64_t id);
  uint64_t submit(uint64_t node, replicate::LogEntry entry);

  Random random_;
  ClusterFaults faults_;
  int64_t now_ms_ = 1'000'000;
  std::map<uint64_t, Node> nodes_;
  std::vector<Envelope> network_;
  std::set<std::pair<uint64_t, uint64_t>> cut_;
  std::map<uint64_t, uint64_t> leaders_;     // by term
  std::vector<replicate::EntryPtr> agreed_;  // committed, entry i at i - 1
  uint64_t next_body_ = 1, messages_sent_ = 0, rejections_ = 0;
  std::string violation_;
};

}  // namespace casbook::test
