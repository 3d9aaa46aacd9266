#include "replicate/raft_log.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/probe.h"

namespace casbook::replicate {

using journal::Appender;
using journal::EntryType;
using journal::JournalEnd;

namespace {

constexpr size_t kEntriesAWrite = 256;
constexpr uint64_t kReadBackBytes = 64ull << 20;  // about a segment
constexpr uint64_t kReadAheadBytes = 1ull << 20;
constexpr size_t kWantedMax = 1024;

EntryPtr entry_of(const journal::Entry& read) {
  const journal::EntryHeader& header = read.header;
  auto entry = std::make_shared<LogEntry>();
  entry->index = header.index, entry->term = header.term;
  entry->type = static_cast<EntryType>(header.type);
  entry->first_lsn = header.first_lsn, entry->count = header.count;
  entry->body.assign(read.body.begin(), read.body.end());
  return entry;
}

journal::EntryImage image_of(const LogEntry& entry) {
  return {.index = entry.index,
          .first_lsn = entry.first_lsn,
          .count = entry.count,
          .term = static_cast<uint16_t>(entry.term),
          .type = entry.type,
          .body = entry.body};
}

uint64_t bytes_of(const LogEntry& entry) { return sizeof entry + entry.body.size(); }

}  // namespace

RaftLog::RaftLog(journal::Storage& storage, uint64_t journal_id, const RaftLogOptions& options)
    : storage_(storage), journal_id_(journal_id), options_(options) {}

Result<std::unique_ptr<RaftLog>> RaftLog::open(journal::Storage& storage, uint64_t journal_id,
                                               const journal::BookShape& shape,
                                               const Configuration& configuration,
                                               const RaftLogOptions& options) {
  auto log = std::unique_ptr<RaftLog>(new RaftLog(storage, journal_id, options));
  if (auto done = log->read_all(); !done) return done.error();
  const std::deque<EntryPtr> unproven = std::exchange(log->unproven_, {});
  journal::WrittenAgain again;
  for (const EntryPtr& entry : unproven) again.entries.push_back(image_of(*entry));
  const uint64_t proven = log->last() - unproven.size();
  const JournalEnd end = proven == log->base_.index ? log->base_ : log->place(proven).end;
  auto appender = Appender::open(storage, journal_id, shape, end, options.appender, &again);
  if (!appender) return appender.error();
  for (size_t i = 0; i < again.ends.size(); ++i) log->place(proven + 1 + i).end = again.ends[i];
  log->appender_ = std::move(*appender);
  if (log->last() != 0 || configuration.servers.empty()) return log;
  // A term before all that are voted for, so that every node makes the same entry.
  auto first = std::make_shared<LogEntry>();
  first->index = 1, first->term = 1, first->type = EntryType::change, first->first_lsn = 1;
  first->body = encode(configuration);
  const EntryPtr entry = first;
  log->append({&entry, 1});
  while (log->persisted_index() < 1) {
    if (auto done = log->pump(); !done) return done.error();
    if (auto done = log->appender_->complete(); !done) return done.error();
  }
  return log;
}

Result<void> RaftLog::read_all() {
  auto segments = journal::list_segments(storage_, journal_id_);
  if (!segments) return segments.error();
  base_.next_lsn = 1;
  if (!segments->empty()) {
    const journal::SegmentHeader& first = segments->front().header;
    base_.index = first.first_index - 1, base_.term = first.term, base_.chain = first.chain;
    base_.next_lsn = first.next_lsn, base_.segment = segments->back().number;
  }
  const uint64_t last_number = base_.segment;
  // All before a segment was synced when it was begun, the rest where a later entry says so.
  // Anything else may be in the page cache alone, behind a sync that failed: the next one succeeds
  // and covers nothing.
  uint64_t proven = segments->empty() ? 0 : segments->back().header.first_index - 1;
  journal::EntryReader reader(storage_, std::move(*segments));
  // Bounded by the entries.
  for (;;) {
    auto read = reader.next();
    if (!read) return read.error();
    if (!*read) break;
    JournalEnd end = reader.end();
    end.segment = last_number;  // the next one follows the last, wherever it is cut
    proven = std::max(proven, (*read)->header.synced_index);
    unproven_.push_back(entry_of(**read));
    note(unproven_.back(), end);
    while (!unproven_.empty() && unproven_.front()->index <= proven) unproven_.pop_front();
    forget_surplus();
  }
  handed_over_ = used_ = last();
  return {};
}

void RaftLog::note(const EntryPtr& entry, const JournalEnd& end) {
  const Position before = places_.empty() ? base_last_ : places_.back().last_record;
  places_.push_back({.term = entry->term,
                     .next_lsn = entry->first_lsn + entry->count,
                     .last_record = entry->count ? entry->last() : before,
                     .type = entry->type,
                     .bytes = (places_.empty() ? base_bytes_ : places_.back().bytes) +
                              entry->body.size(),
                     .memory = entry,
                     .end = end});
  if (memory_bytes_ == 0) oldest_in_memory_ = entry->index;
  memory_bytes_ += entry->body.size() + sizeof(LogEntry);
  // Those on disk already may go at once.
  if (end.index != 0) used_ = entry->index;
}

std::vector<EntryPtr> RaftLog::recovered_entries() const {
  const std::lock_guard lock(mutex_);
  std::vector<EntryPtr> entries;
  entries.reserve(places_.size());
  for (uint64_t index = base_.index + 1; index <= last(); ++index) {
    const Place& at = place(index);
    if (at.memory) {
      entries.push_back(at.memory);
      continue;
    }
    auto entry = std::make_shared<LogEntry>();
    entry->index = index, entry->term = at.term, entry->type = at.type;
    entry->first_lsn = at.next_lsn;
    entries.push_back(std::move(entry));
  }
  return entries;
}

void RaftLog::append(std::span<const EntryPtr> entries) {
  const std::lock_guard lock(mutex_);
  if (entries.empty()) return;
  CASBOOK_ASSERT(entries.front()->index > base_.index && entries.front()->index <= last() + 1);
  cut_memory(entries.front()->index - 1);
  for (EntryPtr entry : entries) {
    if (entry->count == 0 && entry->first_lsn != behind_last_lsn()) {
      auto own = std::make_shared<LogEntry>(*entry);
      own->first_lsn = behind_last_lsn();
      entry = std::move(own);
    }
    CASBOOK_ASSERT(entry->index == last() + 1 && entry->first_lsn == behind_last_lsn());
    note(entry, {});
  }
}

// Entries behind `index` are replaced.
void RaftLog::cut_memory(uint64_t index) {
  if (index >= last()) return;
  ++cuts_;
  // Bounded by what was read back.
  for (auto at = read_back_.upper_bound(index); at != read_back_.end(); at = read_back_.erase(at))
    read_back_bytes_ -= bytes_of(*at->second);
  if (handed_over_ > index) {
    cut_ = std::min(cut_.value_or(index), index);
    handed_over_ = index;
  }
  while (last() > index) {
    if (const EntryPtr& entry = places_.back().memory)
      memory_bytes_ -= entry->body.size() + sizeof(LogEntry);
    places_.pop_back();
  }
  used_ = std::min(used_, index);
  oldest_in_memory_ = std::min(oldest_in_memory_, last() + 1);
}

uint64_t RaftLog::last_index() const {
  const std::lock_guard lock(mutex_);
  return last();
}

uint64_t RaftLog::next_lsn() const {
  const std::lock_guard lock(mutex_);
  return behind_last_lsn();
}

uint64_t RaftLog::term_at(uint64_t index) const {
  const std::lock_guard lock(mutex_);
  if (index == base_.index) return base_.term;
  return index < base_.index || index > last() ? 0 : place(index).term;
}

Position RaftLog::position_at(uint64_t index) const {
  const std::lock_guard lock(mutex_);
  if (index <= base_.index || places_.empty()) return base_last_;
  return place(std::min(index, last())).last_record;
}

uint64_t RaftLog::index_of(uint64_t lsn) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::partition_point(places_.begin(), places_.end(),
                                          [lsn](const Place& at) { return at.next_lsn <= lsn; });
  return base_.index + 1 + static_cast<uint64_t>(found - places_.begin());
}

uint64_t RaftLog::applied_index(uint64_t next_lsn) const {
  uint64_t index = index_of(next_lsn) - 1;
  const std::lock_guard lock(mutex_);
  index = std::min(index, last());
  // Bounded by the elections that nothing was committed between.
  while (index > base_.index && place(index).type != EntryType::records) --index;
  return index;
}

bool RaftLog::holds(Position position) const {
  if (position.value == 0) return true;
  const uint64_t index = index_of(position.lsn());
  const std::lock_guard lock(mutex_);
  if (position.lsn() < base_.next_lsn) return true;
  return index <= last() && place(index).term == position.term();
}

uint64_t RaftLog::bytes_behind(uint64_t index) const {
  const std::lock_guard lock(mutex_);
  if (places_.empty() || index >= last()) return 0;
  return places_.back().bytes - (index <= base_.index ? base_bytes_ : place(index).bytes);
}

bool RaftLog::begins_behind(uint64_t next_lsn) const {
  const std::lock_guard lock(mutex_);
  return next_lsn < base_.next_lsn && !base::mutated(base::Mutant::arena_behind_base_kept);
}

void RaftLog::used(uint64_t index) {
  const std::lock_guard lock(mutex_);
  used_ = std::max(used_, std::min(index, last()));
  forget_surplus();
}

bool RaftLog::compact(uint64_t index) {
  const std::lock_guard lock(mutex_);
  if (index > used_ || index > handed_over_ || cut_) return false;
  // Progress: each round takes one off.
  while (base_.index < index) {
    const Place& at = places_.front();
    if (at.end.index == 0) return false;
    base_ = at.end;
    base_last_ = at.last_record;
    base_bytes_ = at.bytes;
    if (at.memory) memory_bytes_ -= at.memory->body.size() + sizeof(LogEntry);
    places_.pop_front();
  }
  oldest_in_memory_ = std::max(oldest_in_memory_, base_.index + 1);
  return true;
}

void RaftLog::forget_surplus() {
  while (memory_bytes_ > options_.memory_bytes && oldest_in_memory_ <= last()) {
    Place& at = place(oldest_in_memory_);
    // Not what consensus or the disk may still ask for; what nobody used yet is read back.
    if (at.end.index == 0 || (appender_ && oldest_in_memory_ > appender_->synced_index())) return;
    // A configuration is small, and consensus asks for all of them.
    if (at.memory && at.type != EntryType::change) {
      memory_bytes_ -= at.memory->body.size() + sizeof(LogEntry);
      at.memory = nullptr;
    }
    ++oldest_in_memory_;
  }
}

// --- reading back ---

// False: it is on disk alone. Null: it is not kept.
bool RaftLog::find(uint64_t index, EntryPtr& found) const {
  found = nullptr;
  if (index <= base_.index || index > last()) return true;
  found = place(index).memory;
  if (const auto at = read_back_.find(index); !found && at != read_back_.end()) found = at->second;
  return found != nullptr;
}

EntryPtr RaftLog::entry(uint64_t index) {
  EntryPtr found;
  // The second time for one that was written, or replaced, after it was read ahead.
  for (int attempt = 0; attempt < 2; ++attempt) {
    {
      const std::lock_guard lock(mutex_);
      if (find(index, found)) return found;
    }
    read(index);
  }
  const std::lock_guard lock(mutex_);
  find(index, found);
  return found;
}

EntryPtr RaftLog::at_hand(uint64_t index) {
  EntryPtr found;
  {
    const std::lock_guard lock(mutex_);
    if (find(index, found)) return found;
    if (wanted_.size() < kWantedMax) wanted_.insert(index);
  }
  wants_.notify_one();
  return nullptr;
}

bool RaftLog::wants_read() const {
  const std::lock_guard lock(mutex_);
  return !wanted_.empty();
}

bool RaftLog::read_wanted() {
  uint64_t index = 0;
  {
    const std::lock_guard lock(mutex_);
    // Bounded by what is wanted.
    for (EntryPtr found; index == 0 && !wanted_.empty(); wanted_.erase(wanted_.begin()))
      if (!find(*wanted_.begin(), found)) index = *wanted_.begin();
  }
  if (index != 0) read(index);
  return index != 0;
}

void RaftLog::await_wanted(std::chrono::nanoseconds time) {
  std::unique_lock lock(mutex_);
  wants_.wait_for(lock, time, [this] { return !wanted_.empty(); });
}

std::optional<uint32_t> RaftLog::body_bytes(uint64_t index) {
  const std::lock_guard lock(mutex_);
  if (index <= base_.index || index > last()) return std::nullopt;
  const uint64_t before = index - 1 == base_.index ? base_bytes_ : place(index - 1).bytes;
  return static_cast<uint32_t>(place(index).bytes - before);
}

// With those behind it.
void RaftLog::read(uint64_t index) {
  const std::lock_guard reading(reading_);
  bool is_at_it = reader_ && reader_next_ == index;
  {
    const std::lock_guard lock(mutex_);
    is_at_it = is_at_it && reader_cuts_ == cuts_;
    reader_cuts_ = cuts_;
  }
  if (is_at_it || begin_reading(index)) keep(read_run());
}

// A reader that stands at `index`. False: there is none.
bool RaftLog::begin_reading(uint64_t index) {
  reader_ = nullptr;
  JournalEnd before;
  {
    const std::lock_guard lock(mutex_);
    if (index <= base_.index || index > last()) return false;
    before = index - 1 == base_.index ? base_ : place(index - 1).end;
  }
  auto segments = journal::list_segments(storage_, journal_id_);
  if (!segments) return false;
  reader_ = std::make_unique<journal::EntryReader>(storage_, std::move(*segments), before);
  reader_next_ = index;
  return true;
}

std::vector<EntryPtr> RaftLog::read_run() {
  std::vector<EntryPtr> run;
  // Bounded by the entries of one segment. Not into what may be being written.
  for (uint64_t bytes = 0; bytes < kReadAheadBytes && reader_next_ <= appender_synced();) {
    auto read = reader_->next();
    if (!read || !*read || (*read)->header.index != reader_next_) {
      reader_ = nullptr;
      break;
    }
    run.push_back(entry_of(**read));
    bytes += bytes_of(*run.back());
    ++reader_next_;
  }
  return run;
}

// What the log has at those places; another one may have been read before the disk was cut.
void RaftLog::keep(std::span<const EntryPtr> run) {
  const std::lock_guard lock(mutex_);
  for (const EntryPtr& entry : run) {
    if (EntryPtr found; find(entry->index, found)) continue;
    if (place(entry->index).term != entry->term) continue;
    read_back_bytes_ += bytes_of(*entry);
    read_back_.emplace(entry->index, entry);
  }
  // The first go first, but for those just read.
  while (read_back_bytes_ > kReadBackBytes && read_back_.size() > run.size()) {
    auto gone = read_back_.begin();
    if (gone->first >= run.front()->index && gone->first <= run.back()->index)
      gone = std::prev(read_back_.end());
    read_back_bytes_ -= bytes_of(*gone->second);
    read_back_.erase(gone);
  }
}

uint64_t RaftLog::appender_synced() const { return appender_ ? appender_->synced_index() : 0; }

// --- the disk ---

Result<void> RaftLog::pump() {
  const std::lock_guard lock(mutex_);
  // Progress: each round hands entries over.
  while (!wants_roll_ && !cut_ && handed_over_ < last()) {
    const uint64_t before = handed_over_;
    if (auto done = hand_over(); !done) return done;
    if (handed_over_ == before) break;
  }
  if (cut_) wants_roll_ = true;
  return {};
}

Result<void> RaftLog::hand_over() {
  std::vector<journal::EntryImage> images;
  std::vector<JournalEnd> ends;
  for (uint64_t i = handed_over_ + 1; i <= last() && images.size() < kEntriesAWrite; ++i)
    images.push_back(image_of(*place(i).memory));
  auto taken = appender_->append(images, ends);
  if (!taken) return taken.error();
  wants_roll_ = *taken == Appender::Taken::no_segment;
  for (const JournalEnd& end : ends) place(++handed_over_).end = end;
  return {};
}

uint64_t RaftLog::persisted_index() const {
  const std::lock_guard lock(mutex_);
  return std::min(appender_->synced_index(), cut_.value_or(handed_over_));
}

bool RaftLog::wants_roll() const {
  const std::lock_guard lock(mutex_);
  return wants_roll_;
}

bool RaftLog::has_unwritten() const {
  const std::lock_guard lock(mutex_);
  return cut_.has_value() || handed_over_ < last();
}

// The disk is waited for without the mutex: nothing else reaches the appender while a roll is
// wanted.
Result<void> RaftLog::roll() {
  std::optional<uint64_t> cut;
  JournalEnd end;
  {
    const std::lock_guard lock(mutex_);
    if (!wants_roll_) return {};
    cut = cut_;
    if (cut) end = *cut == base_.index ? base_ : place(*cut).end;
  }
  auto rolled = cut ? appender_->cut(end) : appender_->roll();
  if (!rolled) return rolled.error();
  if (*rolled != Appender::Taken::submitted) return {};
  const std::lock_guard lock(mutex_);
  // Cut again meanwhile: that is the next one.
  if (cut_ == cut) cut_ = {}, wants_roll_ = false;
  return {};
}

bool RaftLog::is_settled() const {
  const std::lock_guard lock(mutex_);
  return !cut_ && handed_over_ == last() && appender_->is_settled();
}

}  // namespace casbook::replicate
