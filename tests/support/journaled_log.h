// A log that is committed to, its journal on a faulty storage, and what has to hold between them:
//
//  J1  What was durable is in the journal after any crash, once, in order, byte for byte.
//  J2  What else is in it was committed, and follows without a gap. Nothing else is read from it.
//  J3  A journal can be read and gone on with after any crash, also one during its recovery.
//  J4  A term that anybody has seen does not begin again.
//  J5  The newest checkpoint that was finished is there, or a newer one; each that has its name is
//      whole.
//
// Payments, marks, rotations, deaths of the daemon with the book left or lost; each step drawn from
// the seed. The recovery is what a daemon does, on the level of records.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "journal/appender.h"
#include "journal/entry_reader.h"
#include "log/log_writer.h"
#include "support/faulty_storage.h"
#include "support/memory_arena.h"

namespace casbook::test {

class JournaledLog {
 public:
  JournaledLog(FaultyStorage& storage, uint64_t seed);

  // The power was lost, and the book with it.
  void lose_book();
  // Begins the journal, goes on after the death of a daemon, or recovers from the journal alone.
  // An error is the storage's; what should not be is a violation().
  Result<void> start();
  bool is_started() const { return appender_ != nullptr; }
  // One step of any kind.
  Result<void> step();
  // What a daemon does all the time: takes what is there, and completes something.
  Result<void> pump();
  void pay();
  // Until all that was committed is durable.
  Result<void> drain();
  // The journal holds the whole log, and ends with it. After drain().
  Result<void> compare();
  // Kills the daemon, with all it has under way.
  void kill() { appender_.reset(); }

  // What broke a rule first; empty: nothing.
  const std::string& violation() const { return violation_; }
  uint64_t committed() const { return history_.size(); }
  uint64_t durable() const { return durable_.lsn(); }
  const journal::AppenderCounts& counts() const { return counts_; }
  const commit::Store& store() const { return arena_.store(); }

 private:
  using Words = std::vector<uint64_t>;

  Result<journal::JournalEnd> read_journal();
  void check_entry(const journal::Entry& entry, const journal::JournalEnd& before);
  Result<void> start_anew();
  Result<void> recover();
  Result<void> resume();
  Result<void> open_appender(const journal::JournalEnd& end);
  void format(Position first, bool is_open);

  Result<void> change_term();
  Result<void> promise(uint64_t term);
  Result<void> write_checkpoint();
  Result<void> check_checkpoints();
  Result<void> take();
  Result<void> complete();
  void look_at_log();
  void violate(const std::string& what);

  FaultyStorage& storage_;
  Random random_;
  MemoryArena& arena_;
  std::unique_ptr<log::LogWriter> writer_;
  std::unique_ptr<journal::Appender> appender_;
  std::vector<Words> history_;  // by LSN - 1: what is committed, as the book has it
  Position durable_;            // as was told
  Position checkpoint_;         // the newest that was finished
  uint64_t promised_ = 0;       // terms, on disk as far as we know
  uint64_t seen_term_ = 0;
  bool is_begun_ = false;     // the journal is there for good
  bool is_book_lost_ = true;  // there is none yet, or it was lost
  journal::AppenderCounts counts_;
  std::string violation_;
};

}  // namespace casbook::test
