#include "support/journaled_log.h"

#include <algorithm>

#include "journal/checkpoint.h"
#include "journal/segment_records.h"
#include "journal/state_file.h"
#include "log/log_reader.h"

namespace casbook::test {

using journal::Appender;
using journal::Entry;
using journal::JournalEnd;

namespace {

constexpr uint64_t kJournalId = 77;
constexpr ArenaShape kShape{
    .sessions = 1, .accounts = 8, .ring = 512, .blocks = 32, .block_bytes = 8192};
// So that the ring never laps what is not durable.
constexpr uint64_t kLagMax = 200;
constexpr uint32_t kDrainRoundsMax = 2000;
constexpr journal::AppenderOptions kOptions{.segment_bytes = 10 * journal::kBlockBytes,
                                            .buffers = 3};

std::string text_of(Position position) {
  return std::to_string(position.term()) + "/" + std::to_string(position.lsn());
}

}  // namespace

JournaledLog::JournaledLog(FaultyStorage& storage, uint64_t seed)
    : storage_(storage), random_(seed), arena_(MemoryArena::of_shape(kShape)) {}

void JournaledLog::violate(const std::string& what) {
  if (violation_.empty()) violation_ = what;
}

void JournaledLog::lose_book() {
  appender_.reset();
  is_book_lost_ = true;
}

void JournaledLog::format(Position first, bool is_open) {
  writer_.reset();
  arena_.format(is_open, 1'000'000, first);
  writer_ = std::make_unique<log::LogWriter>(arena_.store(), 0);
}

// --- beginning and going on ---------------------------------------------------------------------

Result<void> JournaledLog::start() {
  if (!is_book_lost_) return resume();
  const auto state = journal::read_state(storage_);
  if (state) {
    if (state->journal_id != kJournalId || state->reserved_term < seen_term_)
      violate("J4: the state promises terms up to " + std::to_string(state->reserved_term) +
              ", seen was " + std::to_string(seen_term_));
    promised_ = state->reserved_term;
    return recover();
  }
  if (state.error().code != Code::book_missing) return state.error();
  if (is_begun_) violate("J3: the state of the journal is gone");
  return start_anew();
}

Result<void> JournaledLog::start_anew() {
  if (auto promised = promise(1); !promised) return promised;
  is_begun_ = true;
  return recover();
}

Result<void> JournaledLog::promise(uint64_t term) {
  if (auto written = journal::write_state(storage_, {kJournalId, term}); !written) return written;
  promised_ = term;
  return {};
}

// From the journal alone: to exactly its end, under a new term.
Result<void> JournaledLog::recover() {
  if (auto checked = check_checkpoints(); !checked) return checked;
  auto end = read_journal();
  if (!end) return end.error();
  const uint64_t term = std::max(promised_, end->term) + (is_book_lost_ && seen_term_ ? 1 : 0);
  if (auto promised = promise(term); !promised) return promised;
  if (auto opened = open_appender(*end); !opened) return opened;
  history_.resize(end->next_lsn - 1);
  if (end->next_lsn == 1) {
    format(Position::of(term, 1), true);
  } else {
    format(Position::of(end->term, end->next_lsn), false);
    commit::Executor(arena_.store()).open(term);
  }
  is_book_lost_ = false;
  look_at_log();
  return {};
}

// The book is there: from what was durable, whatever else the journal holds.
Result<void> JournaledLog::resume() {
  auto read = read_journal();
  if (!read) return read.error();
  JournalEnd end = *read;
  if (durable_.lsn() != 0) {
    auto at = journal::end_at(storage_, kJournalId, durable_.lsn());
    if (!at) return at.error();
    end = *at;
  } else {
    end = {.segment = read->segment, .next_lsn = 1};
  }
  return open_appender(end);
}

Result<void> JournaledLog::open_appender(const JournalEnd& end) {
  auto appender = Appender::open(storage_, kJournalId, {}, end, kOptions);
  if (!appender) return appender.error();
  appender_ = std::move(*appender);
  durable_ = appender_->durable();
  return {};
}

// --- the rules ----------------------------------------------------------------------------------

Result<JournalEnd> JournaledLog::read_journal() {
  const bool could_read = storage_.has_power() && !storage_.fault_has_struck();
  const auto read = [&]() -> Result<JournalEnd> {
    auto segments = journal::list_segments(storage_, kJournalId, 1);
    if (!segments) return segments.error();
    journal::EntryReader reader(storage_, std::move(*segments));
    JournalEnd before{.next_lsn = 1};
    // Bounded by the blocks of the storage.
    for (;;) {
      auto entry = reader.next();
      if (!entry) return entry.error();
      if (!*entry) break;
      check_entry(**entry, before);
      before = reader.end();
    }
    JournalEnd end = reader.end();
    end.next_lsn = std::max<uint64_t>(end.next_lsn, 1);
    return end;
  };
  auto end = read();
  if (!end) {
    if (could_read && storage_.has_power() && !storage_.fault_has_struck())
      violate("J3: " + end.error().message());
  } else if (end->next_lsn <= durable_.lsn()) {
    violate("J1: the journal ends before lsn " + std::to_string(end->next_lsn) + ", durable was " +
            text_of(durable_));
  }
  return end;
}

void JournaledLog::check_entry(const Entry& entry, const JournalEnd& before) {
  const std::string name = "entry " + std::to_string(entry.header.index) + " of segment " +
                           std::to_string(entry.segment);
  if (entry.header.index != before.index + 1 || entry.header.first_lsn != before.next_lsn)
    violate("J2: " + name + " does not follow entry " + std::to_string(before.index));
  const bool is_whole = journal::for_each_record(entry, [&](std::span<const uint64_t> words) {
    const Position position{words[2]};
    if (position.lsn() > history_.size())
      return violate("J2: " + name + " has a record that was never committed, " +
                     text_of(position));
    if (!std::ranges::equal(words, history_[position.lsn() - 1]))
      violate("J2: " + name + " has another record at " + text_of(position));
  });
  if (!is_whole) violate("J2: " + name + " is not made of records");
}

// What was committed since the last look.
void JournaledLog::look_at_log() {
  const uint64_t end = log::log_end(arena_.store());
  log::EncodedRecord record;
  for (uint64_t lsn = history_.size() + 1; lsn < end; ++lsn) {
    if (log::fetch_encoded(arena_.store(), lsn, record) != log::Fetch::got)
      return violate("the book has no record at lsn " + std::to_string(lsn));
    history_.emplace_back(record.span().begin(), record.span().end());
    seen_term_ = std::max(seen_term_, record.position().term());
  }
}

// --- steps --------------------------------------------------------------------------------------

Result<void> JournaledLog::step() {
  const uint64_t draw = random_.below(100);
  if (draw < 38) {
    if (history_.size() - durable_.lsn() < kLagMax)
      for (uint64_t i = 1 + random_.below(4); i > 0; --i) pay();
    return {};
  }
  if (draw < 43) return change_term();
  if (draw < 67) return take();
  if (draw < 91) return complete();
  if (draw < 96) return appender_->prepare_spare();
  if (draw < 97) return write_checkpoint();
  kill();
  if (random_.one_in(2)) lose_book();
  return start();
}

void JournaledLog::pay() {
  const auto from = static_cast<uint32_t>(random_.below(kShape.accounts));
  const auto to =
      static_cast<uint32_t>((from + 1 + random_.below(kShape.accounts - 1)) % kShape.accounts);
  const auto amount = static_cast<int64_t>(1 + random_.below(9));
  commit::WriteSet set;
  set.add(arena_.account(from), 0, -amount, INT64_MIN, INT64_MAX);
  set.add(arena_.account(to), 0, amount, INT64_MIN, INT64_MAX);
  set.describe(commit::Kind::payment, static_cast<int64_t>(history_.size()));
  for (uint64_t i = random_.below(kNoteWordsMax); i > 0; --i) set.note(random_.next());
  if (writer_->commit(set).outcome != commit::Outcome::committed)
    violate("a payment was not committed");
  look_at_log();
}

Result<void> JournaledLog::change_term() {
  const uint64_t term = arena_.store().control().gate.load_relaxed() >> 1;
  if (auto promised = promise(term + 1); !promised) return promised;
  commit::Executor executor(arena_.store());
  executor.seal(term);
  executor.open(term + 1);
  look_at_log();
  return {};
}

Result<void> JournaledLog::write_checkpoint() {
  journal::CheckpointRequest request{.journal_id = kJournalId};
  request.shape.header = arena_.store().mapping().header();
  request.index_of = [&](uint64_t lsn) {
    const auto index = journal::read_records(storage_, kJournalId, lsn, lsn + 1, [](auto) {});
    return index ? *index : 0;
  };
  request.records = [&](uint64_t from, uint64_t to, const auto& sink) -> Result<void> {
    if (auto drained = drain(); !drained) return drained;
    const auto read = journal::read_records(storage_, kJournalId, from, to, sink);
    return read ? Result<void>{} : read.error();
  };
  request.must_stop = [] { return false; };
  const auto written = journal::write_checkpoint(arena_.store(), storage_, request);
  if (!written) return written.error();
  checkpoint_ = written->position;
  return {};
}

Result<void> JournaledLog::check_checkpoints() {
  const auto names = journal::list_checkpoints(storage_);
  if (!names) return names.error();
  if (checkpoint_.lsn() != 0 &&
      (names->empty() || journal::checkpoint_position(names->front())->lsn() < checkpoint_.lsn()))
    violate("J5: the checkpoint at " + text_of(checkpoint_) + " is gone");
  for (const std::string& name : *names) {
    const auto verified = journal::verify_checkpoint(storage_, name);
    if (verified) continue;
    if (storage_.fault_has_struck()) return verified.error();
    violate("J5: " + verified.error().message());
  }
  return {};
}

Result<void> JournaledLog::take() {
  const auto taken = appender_->take(arena_.store());
  if (!taken) return taken.error();
  return *taken == Appender::Taken::no_segment ? appender_->prepare_spare() : Result<void>{};
}

Result<void> JournaledLog::complete() {
  auto completed = appender_->complete();
  const Position now = appender_->durable();
  if (now.lsn() < durable_.lsn() || now.lsn() > history_.size())
    violate("durable went from " + text_of(durable_) + " to " + text_of(now));
  durable_ = now;
  counts_ = appender_->counts();
  return completed;
}

Result<void> JournaledLog::pump() {
  auto taken = take();
  auto completed = complete();  // in any case: it may have been the one that failed
  return taken ? completed : taken;
}

Result<void> JournaledLog::drain() {
  for (uint32_t i = 0; i < kDrainRoundsMax; ++i) {
    if (durable_.lsn() == history_.size() && appender_->is_settled()) return {};
    if (auto pumped = pump(); !pumped) return pumped;
  }
  violate("J3: stuck with durable " + text_of(durable_) + " of " + std::to_string(history_.size()));
  return {};
}

Result<void> JournaledLog::compare() {
  const auto end = read_journal();
  if (!end) return end.error();
  if (end->next_lsn != history_.size() + 1)
    violate("J1: the journal ends before lsn " + std::to_string(end->next_lsn) + " of " +
            std::to_string(history_.size()));
  return {};
}

}  // namespace casbook::test
