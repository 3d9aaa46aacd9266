// What a simulated cluster must not do: the one history that all nodes have to agree on, kept by
// the simulator from what nodes call committed, and what callers were told, held against it.
//
//   agreement   an entry, once committed anywhere, is that everywhere, and for good
//   leaders     a term has one leader, and one book that was opened in it
//   told        what was called durable is in the history at once and for ever. What was called
//               quorum comes to be in it; but where crashes took it from so many memories that less
//               than a majority had it left, it may be lost. What was called undone is never in it.
//   money       every record leaves the sum of all accounts as it is, and finds the words as those
//               before left them; an id pays once
//   leases      tokens grow; a guarded payment finds its lease held by that token
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>

#include <casbook/lease.h>

#include "book/layout.h"
#include "log/record.h"
#include "replicate/replicator.h"
#include "support/sim_events.h"

namespace casbook::test {

class SimTruth {
 public:
  explicit SimTruth(SimEvents& events) : events_(events) {}

  // The first violation; empty: none.
  const std::string& violation() const { return violation_; }
  void fail(const std::string& what);

  // Of any book of the cluster: where its accounts and leases are.
  void know_tables(const commit::Store& store);

  // --- nodes ---
  void on_role(uint64_t node, uint64_t term, replicate::Role role);
  void on_opened(uint64_t node, uint64_t term);
  // Whether the node's log has an entry of that term at that index, now or when it went down.
  using Holds = std::function<bool(uint64_t node, uint64_t index, uint64_t term)>;
  // `lost`: it had it, and a crash took it.
  void set_holds(Holds holds, Holds lost) { holds_ = std::move(holds), lost_ = std::move(lost); }
  void on_committed(uint64_t node, const replicate::LogEntry& entry);
  // A node is back from a crash with what its disk had.
  void on_restarted();
  uint64_t committed_index() const { return entries_.size(); }
  // Of the last record in the history.
  Position end() const { return records_.empty() ? Position{} : records_.back().position; }

  // --- callers ---
  void told_durable(Position position);
  // `voters`: those of whom it was a majority.
  void told_quorum(Position position, uint64_t index, uint64_t term, std::vector<uint64_t> voters);
  void told_undone(Position position);
  // Of a commit just made, which may be undone yet: no other has it, ever.
  void told_token(Position token);
  // A payment that will be sent, under this lease if the token is one.
  void expect_guard(uint64_t id, const Lease& lease) { guards_[id] = lease; }
  // Whether that payment is in the history. {}: no.
  struct Paid {
    Position position;
    bool is_executed = false;
  };
  std::optional<Paid> paid(uint64_t id) const;
  bool has(Position position) const;
  // The value of a word as of the end of the history.
  uint64_t word(commit::Unit unit, uint32_t word) const;

  // At the end, when nothing is under way.
  void check_told_quorum();
  uint64_t payments() const { return payments_.size(); }
  // Told to be in a majority's memory, with or by a later one, and lost with the memories.
  bool is_excused(Position position) const;
  uint64_t excused() const;

 private:
  struct Word {
    uint64_t value = 0, version = 0;
  };
  struct Known {
    Position position;
    uint64_t hash = 0;
  };
  struct Told {
    Position position;
    uint64_t index = 0, term = 0;
    std::vector<uint64_t> voters{};
    bool is_excused = false;
  };
  // At the moment, or before crashes took it.
  bool had_majority(const Told& told) const;
  void take_records(const replicate::LogEntry& entry);
  void take_record(std::span<const uint64_t> words);
  void take_change(const log::Record& record, const log::Change& change, int64_t& sum);
  void take_payment(const log::Record& record);
  void check_against_told(Position position);
  static uint64_t key(commit::Unit unit, uint32_t word) { return unit << 8 | word; }

  SimEvents& events_;
  Holds holds_, lost_;
  std::string violation_;
  std::optional<book::Tables> tables_;
  arena::CellTableExtent lease_cells_{};
  std::map<uint64_t, uint64_t> leaders_, openers_;  // by term
  std::vector<Known> entries_, records_;            // entry i at i - 1; record at lsn - 1
  std::unordered_map<uint64_t, Word> words_;
  std::map<uint64_t, Paid> payments_;
  std::map<uint64_t, Lease> guards_;
  std::map<uint64_t, Told> quorum_told_;  // by lsn
  std::set<Position> undone_told_, tokens_told_;
};

}  // namespace casbook::test
