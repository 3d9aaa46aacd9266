// A node's log: entries in memory and on disk, by index. What consensus decides about goes in by
// append(); the disk follows behind, and says how far it is.
//
//   append() --pending--> pump() --appender--> written, synced: persisted_index()
//      \-- cut: an entry that another leader's replaces takes all behind it away
//
// Entries are kept in memory while they are not persisted, committed and used, and as many more as
// fit into `memory_bytes`; older ones are read from the segments, with those behind them, which will
// be asked for next: by entry() at once, or, asked for by at_hand(), by who calls read_wanted().
//
// Thread-safe. append(), pump() and at_hand() never wait for a disk; entry(), roll() and
// read_wanted() do. One thread at a time calls complete(), one prepare_spare() and roll(), one
// read_wanted().
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>

#include "journal/appender.h"
#include "journal/entry_reader.h"
#include "replicate/consensus.h"
#include "replicate/entry.h"

namespace casbook::replicate {

struct RaftLogOptions {
  journal::AppenderOptions appender{};
  uint64_t memory_bytes = 64ull << 20;
};

class RaftLog : public EntrySource {
 public:
  // Reads what the directory has; where it has nothing, entry 1 is made of `configuration`, the
  // same on every node, and synced; or, where that is empty, comes from a leader like any other.
  // Errors: damaged, foreign_journal, those of the storage.
  static Result<std::unique_ptr<RaftLog>> open(journal::Storage& storage, uint64_t journal_id,
                                               const journal::BookShape& shape,
                                               const Configuration& configuration,
                                               const RaftLogOptions& options);

  // For Consensus: what lies before the entries kept, and those.
  uint64_t base_index() const { return base_.index; }
  uint64_t base_term() const { return base_.term; }
  std::vector<EntryPtr> recovered_entries() const;

  // From the first one's index on they replace what is there. Their first_lsn is set where they
  // are consensus's own. Precondition: that index is at most one behind the last.
  void append(std::span<const EntryPtr> entries);
  uint64_t last_index() const;
  // The LSN that the next record will have.
  uint64_t next_lsn() const;
  // Null: not kept.
  EntryPtr entry(uint64_t index) override;
  EntryPtr at_hand(uint64_t index) override;
  uint64_t term_of(uint64_t index) override { return term_at(index); }
  std::optional<uint32_t> body_bytes(uint64_t index) override;
  uint64_t term_at(uint64_t index) const;  // 0: before the base
  // The last record at or before `index`, {}: none, or long ago.
  Position position_at(uint64_t index) const;
  // Whether the record at that LSN is of that term; true where it lies before the base.
  bool holds(Position position) const;
  // Records from `next_lsn` on are needed, and some of them lie before the base: of a book that a copy
  // of the log went past.
  bool begins_behind(uint64_t next_lsn) const;
  // The entry that holds the record at `lsn`; the one behind the last record when it has none yet.
  uint64_t index_of(uint64_t lsn) const;
  // The last entry that a book is past whose next record is at `next_lsn`. Consensus's own entries
  // behind its last record do not count: they may be replaced yet, by records too.
  uint64_t applied_index(uint64_t next_lsn) const;
  // Segments with entries up to here are gone, or will not be read again. False: some of them are
  // not used or not persisted yet.
  bool compact(uint64_t index);
  // Of the bodies of the entries behind `index`.
  uint64_t bytes_behind(uint64_t index) const;
  // Entries up to here may leave the memory.
  void used(uint64_t index);

  bool wants_read() const;
  // Reads some of what at_hand() did not have. False: that wants nothing.
  bool read_wanted();
  // Until at_hand() wants something, or for so long.
  void await_wanted(std::chrono::nanoseconds time);

  // Hands over to the disk what can be. Errors: the disk's, for good.
  Result<void> pump();
  // All up to here is synced, and is still what the log has there.
  uint64_t persisted_index() const;
  // pump() waits for roll() or for prepare_spare().
  bool wants_roll() const;
  // pump() has more to give to the disk.
  bool has_unwritten() const;
  Result<void> roll();
  bool is_settled() const;
  journal::Appender& appender() { return *appender_; }

 private:
  // Where each entry is, from the base on.
  struct Place {
    uint64_t term;
    uint64_t next_lsn;     // behind it
    Position last_record;  // at or before it
    journal::EntryType type;
    uint64_t bytes;  // of all bodies up to here, since it was opened
    EntryPtr memory;          // null: on disk only
    journal::JournalEnd end;  // behind it on disk; index 0: not there yet
  };

  RaftLog(journal::Storage& storage, uint64_t journal_id, const RaftLogOptions& options);
  Result<void> read_all();
  void note(const EntryPtr& entry, const journal::JournalEnd& end);
  void cut_memory(uint64_t index);
  Result<void> hand_over();
  void forget_surplus();
  bool find(uint64_t index, EntryPtr& found) const;
  void read(uint64_t index);
  bool begin_reading(uint64_t index);
  std::vector<EntryPtr> read_run();
  void keep(std::span<const EntryPtr> run);
  uint64_t appender_synced() const;
  const Place& place(uint64_t index) const { return places_[index - base_.index - 1]; }
  Place& place(uint64_t index) { return places_[index - base_.index - 1]; }
  uint64_t last() const { return base_.index + places_.size(); }
  uint64_t behind_last_lsn() const {
    return places_.empty() ? base_.next_lsn : places_.back().next_lsn;
  }

  journal::Storage& storage_;
  const uint64_t journal_id_;
  const RaftLogOptions options_;

  mutable std::mutex mutex_;  // of all below but the appender's own threads
  std::unique_ptr<journal::Appender> appender_;
  journal::JournalEnd base_;
  std::deque<Place> places_;
  uint64_t handed_over_ = 0;       // to the appender, up to this index
  std::deque<EntryPtr> unproven_;  // at opening: at the end of what was read, perhaps never synced
  std::optional<uint64_t> cut_;    // the disk has entries behind this one that were replaced
  bool wants_roll_ = false;
  uint64_t used_ = 0;
  uint64_t memory_bytes_ = 0, oldest_in_memory_ = 1;
  uint64_t cuts_ = 0;   // how often entries were replaced
  uint64_t base_bytes_ = 0;
  Position base_last_;  // the last record at or before the base; {}: not known

  std::map<uint64_t, EntryPtr> read_back_;
  uint64_t read_back_bytes_ = 0;
  std::set<uint64_t> wanted_;  // by at_hand(), some
  std::condition_variable wants_;

  std::mutex reading_;  // of what follows, taken before the other one
  std::unique_ptr<journal::EntryReader> reader_;
  uint64_t reader_next_ = 0, reader_cuts_ = 0;
};

}  // namespace casbook::replicate
