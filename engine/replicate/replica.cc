#include "replicate/replica.h"

#include <cstring>

#include "base/error.h"
#include "log/log_reader.h"
#include "log/terms.h"
#include "replicate/record_plan.h"

namespace casbook::replicate {

using base::error_of;
using commit::Outcome;

namespace {

std::string name_of(Position position) {
  return "record of term " + std::to_string(position.term()) + ", lsn " +
         std::to_string(position.lsn());
}
Error diverged(Position position, const std::string& what) {
  return error_of(Code::damaged, name_of(position) + ": " + what);
}

uint64_t gate_of(const commit::Store& store) {
  return store.control().gate.load_acquire();  // [gate]
}

// The records of an entry, one after the other. They come from another host: input.
class Records {
 public:
  explicit Records(const LogEntry& entry)
      : rest_(reinterpret_cast<const uint64_t*>(entry.body.data()), entry.body.size() / 8),
        term_(entry.term),
        lsn_(entry.first_lsn),
        left_(entry.body.size() % 8 == 0 ? entry.count : 0) {}

  // Empty: there are no more.
  std::span<const uint64_t> next() {
    if (left_ == 0) return {};
    const auto record = front(rest_);
    if (record.empty() || !log::is_record(record) || record[2] != Position::of(term_, lsn_).value)
      return {};
    rest_ = rest_.subspan(record.size());
    --left_, ++lsn_;
    return record;
  }
  bool is_at_end() const { return left_ == 0 && rest_.empty(); }

  // The record that `words` begins with, by its length alone.
  static std::span<const uint64_t> front(std::span<const uint64_t> words) {
    const uint32_t count = words.size() >= log::kRecordHeadWords ? log::encoded_words(words[1]) : 0;
    return count <= words.size() ? words.first(count) : words.first(0);
  }
  std::span<const uint64_t> rest() const { return rest_; }

 private:
  std::span<const uint64_t> rest_;
  uint64_t term_, lsn_;
  uint32_t left_;
};

// The cells of records some way ahead come while those of this one are changed.
class Prefetcher {
 public:
  Prefetcher(const commit::Store& store, std::span<const uint64_t> words)
      : store_(store), rest_(words) {
    constexpr uint32_t kRecordsAhead = 8;
    for (uint32_t i = 0; i < kRecordsAhead; ++i) advance();
  }
  void advance() {
    const auto record = Records::front(rest_);
    if (record.empty()) return;
    prefetch_record(store_, record);
    rest_ = rest_.subspan(record.size());
  }

 private:
  const commit::Store& store_;
  std::span<const uint64_t> rest_;
};

}  // namespace

Replica::Replica(const commit::Store& store, arena::Attachment& attachment, uint32_t session)
    : store_(store), attachment_(attachment), writer_(store, session) {
  writer_.set_applier(true);
  next_lsn_ = log::log_end(store);
}

Result<std::unique_ptr<Replica>> Replica::open(const commit::Store& store,
                                               arena::Attachment& attachment) {
  // R3. What a dead applier had published takes the next LSN, or never will.
  attachment.take_over_the_dead();
  auto session = attachment.open_session();
  if (!session) return session.error();
  return std::unique_ptr<Replica>(new Replica(store, attachment, *session));
}

Replica::~Replica() { attachment_.close_session(writer_.session()); }

Result<void> Replica::apply(const LogEntry& entry) {
  if (entry.type != journal::EntryType::records) return {};
  Records records(entry);
  Prefetcher prefetcher(store_, records.rest());
  for (uint64_t lsn = entry.first_lsn;; ++lsn) {
    const auto words = records.next();
    if (words.empty()) break;
    prefetcher.advance();
    if (auto applied = lsn < next_lsn_ ? compare_held(words) : apply_next(words); !applied)
      return applied;
  }
  if (records.is_at_end()) return {};
  return error_of(Code::damaged, "log entry " + std::to_string(entry.index) + " of term " +
                                     std::to_string(entry.term) +
                                     ": what it holds is not the records that it says");
}

// What is below the end has been applied before; nothing can be said of what left the ring but
// whether its term had that LSN.
Result<void> Replica::compare_held(std::span<const uint64_t> words) const {
  const Position position{words[2]};
  log::EncodedRecord held;
  switch (log::fetch_encoded(store_, position.lsn(), held)) {
    case log::Fetch::got:
      if (held.count == words.size() &&
          std::memcmp(held.words, words.data(), words.size_bytes()) == 0)
        return {};
      return diverged(position, "this arena has the " + name_of(held.position()) +
                                    " there, with other content");
    case log::Fetch::overrun:
      if (log::standing_of(store_, position) != log::Standing::undone) return {};
      return diverged(position, "this arena has another term there");
    case log::Fetch::end:
    case log::Fetch::damaged:
      break;
  }
  return diverged(position, "what this arena holds there cannot be read");
}

Result<void> Replica::apply_next(std::span<const uint64_t> words) {
  const Position position{words[2]};
  if (position.lsn() != next_lsn_)
    return diverged(position, "the next one here is lsn " + std::to_string(next_lsn_));
  const uint64_t gate = gate_of(store_);
  if (gate & 1) return diverged(position, "the gate is open, in term " + std::to_string(gate >> 1));
  if (store_.closed_code() == Code::quarantined)
    return error_of(Code::quarantined, name_of(position) + " is not applied");
  if (position.term() < gate >> 1 || position.term() > kTermMax)
    return diverged(position, "this arena is in term " + std::to_string(gate >> 1));
  if (position.term() > gate >> 1) writer_.executor().follow_term(position.term(), position.lsn());
  return commit_next(words, position);
}

Result<void> Replica::commit_next(std::span<const uint64_t> words, Position position) {
  if (std::string different = plan_record(store_, words, set_); !different.empty())
    return diverged(position, different);
  const commit::CommitResult result = writer_.commit(set_);
  switch (result.outcome) {
    case Outcome::committed:
      break;
    case Outcome::backpressure:
      return error_of(Code::backpressure, name_of(position) + " waits for a follower of this host");
    case Outcome::refused: {
      const commit::EntryValue& entry = set_.entries()[result.refused_entry];
      return diverged(position, "cell " + std::to_string(entry.unit()) + " word " +
                                    std::to_string(entry.word()) + " does not allow it");
    }
    case Outcome::conflict:
      return diverged(position, "a cell has another version");
    case Outcome::sealed:
      return diverged(position, "a mark was met that is not of the log");
  }
  if (result.position != position.value)
    return diverged(position, "it was committed as the " + name_of({result.position}));
  ++next_lsn_;
  note(words);
  return {};
}

// Book time, and what people count.
void Replica::note(std::span<const uint64_t> words) {
  base::AtomicU64& book_time = store_.control().book_time;
  // Bounded: it only grows.
  for (uint64_t seen = book_time.load_relaxed(); seen < words[3]; seen = book_time.load_relaxed())
    if (book_time.cas_acq_rel(seen, words[3])) break;  // [time]
  arena::SessionSlot& slot = store_.session(writer_.session());
  base::AtomicU64* counter = set_.kind() == commit::Kind::payment   ? &slot.payments
                             : set_.kind() == commit::Kind::refusal ? &slot.denials
                                                                    : nullptr;
  if (counter) counter->store_relaxed(counter->load_relaxed() + 1);
}

Result<LogEntry> Replica::take(uint64_t from_lsn, uint64_t bytes_max) const {
  LogEntry entry{.first_lsn = from_lsn, .body = {}};
  log::EncodedRecord record;
  for (uint64_t lsn = from_lsn;; ++lsn) {
    switch (log::fetch_encoded(store_, lsn, record)) {
      case log::Fetch::end:
        return entry;
      case log::Fetch::overrun:
        return error_of(Code::overrun, "the record at lsn " + std::to_string(lsn) +
                                           " left the ring before it was replicated");
      case log::Fetch::damaged:
        return error_of(Code::damaged, "the record at lsn " + std::to_string(lsn) + " of the book");
      case log::Fetch::got:
        break;
    }
    const uint64_t term = record.position().term();
    const auto bytes = std::as_bytes(record.span());
    if (entry.count == 0)
      entry.term = term;
    else if (term != entry.term || entry.body.size() + bytes.size() > bytes_max)
      return entry;
    entry.body.insert(entry.body.end(), bytes.begin(), bytes.end());
    ++entry.count;
  }
}

Result<Position> Replica::promote(uint64_t term) {
  const auto opened = [&]() -> Position {
    return {store_.control().term_starts[term % kTermStarts].load_relaxed()};
  };
  const uint64_t gate = gate_of(store_);
  if (gate == (term << 1 | 1)) return opened();
  if (gate & 1 || gate >> 1 >= term)
    return error_of(Code::bad_argument, "term " + std::to_string(term) + ": the gate is " +
                                            (gate & 1 ? "open" : "shut") + " in term " +
                                            std::to_string(gate >> 1));
  if (store_.closed_code() == Code::quarantined) return Code::quarantined;
  if (term > kTermMax) return error_of(Code::book_full, "terms: go on in another book");
  const uint64_t lsn = writer_.executor().open(term);
  if (lsn == 0 && gate_of(store_) != (term << 1 | 1))
    return error_of(Code::bad_argument, "term " + std::to_string(term) + " is over already");
  next_lsn_ = log::log_end(store_);
  return opened();
}

Result<Position> Replica::seal(uint64_t term) {
  if (gate_of(store_) >> 1 < term)
    return error_of(Code::bad_argument, "term " + std::to_string(term) + " was never opened here");
  const uint64_t lsn = writer_.executor().seal(term);
  next_lsn_ = log::log_end(store_);
  return lsn ? Position::of(term, lsn) : Position{};
}

}  // namespace casbook::replicate
