// Records: what the log says of one commit. Complete in themselves: old and new value of every
// word, so that the past, replicas and audits need nothing else.
//
// In a block, 8-byte little-endian words:
//   0  checksum of all words that follow: two CRC-32C          3  book time, ms
//   1  bytes:32 | kind:8 | changes:8 | notes:8 | format:8      4  changes, 4 words each
//   2  position                                                .. notes
#pragma once

#include <cstring>

#include <casbook/types.h>

#include "commit/write_set.h"

namespace casbook::log {

using commit::Kind;
using commit::Mode;
using commit::Unit;

// One entry of the commit, resolved.
//   set    prior = version the cell had, new_value, old_value
//   add    prior = 0, new_value, old_value (as agreed under the lock)
//   guard  prior = version the cell had
//   check  prior = version the word had
//   deny   prior = delta, new_value = the bound it would have crossed, old_value
struct Change {
  uint64_t where = 0, prior = 0, new_value = 0, old_value = 0;

  Unit unit() const { return where >> 8; }
  uint32_t word() const { return (where >> 3) & 31; }
  Mode mode() const { return static_cast<Mode>(where & 7); }
  bool writes() const { return mode() == Mode::set || mode() == Mode::add; }
};
static_assert(sizeof(Change) == 4 * sizeof(uint64_t));
static_assert(sizeof(Change) == sizeof(commit::EntryValue));

struct Record {
  Position position;
  int64_t time_ms = 0;
  Kind kind = Kind::none;
  uint32_t change_count = 0, note_count = 0;
  Change changes[kEntriesMax];
  uint64_t notes[kNoteWordsMax];
};

constexpr uint8_t kRecordFormat = 2;  // bump when a word changes its meaning
constexpr uint32_t kRecordHeadWords = 4;
constexpr uint32_t kRecordWordsMax = kRecordHeadWords + 4 * kEntriesMax + kNoteWordsMax;
static_assert(kRecordWordsMax * 8 <= kBlockBytesDefault / 4,
              "a block holds several of the largest");

// Returns the number of words written to `words` (room for kRecordWordsMax).
uint32_t encode(const Record& record, uint64_t* words);
// The same straight from a committed write set; `agreed` gives the old value of its judged entries.
template <class Agreed>
uint32_t encode(const commit::WriteSet& set, uint64_t position, Agreed agreed, uint64_t* words);
// The length in words that word 1 claims; 0 when it cannot be a record.
uint32_t encoded_words(uint64_t head);
// False: not a record, or its checksum is wrong.
bool decode(const uint64_t* words, uint32_t count, Record& record);

// The record of the instance in `descriptor`, claimed at `lsn`. Not validated: the caller checks
// that the instance was not recycled meanwhile.
void read_descriptor(const commit::Descriptor& descriptor, uint64_t lsn, Record& record);

// One entry, resolved; `agreed` is read for judged entries only.
Change resolve(const commit::EntryValue& entry, uint64_t agreed);
// Fills words 0 to 3.
void seal_record(uint64_t* words, uint32_t count, Kind kind, uint32_t changes, uint32_t notes,
                 uint64_t position, uint64_t time_ms);

template <class Agreed>
uint32_t encode(const commit::WriteSet& set, uint64_t position, Agreed agreed, uint64_t* words) {
  const auto entries = set.entries();
  const auto count = static_cast<uint32_t>(entries.size());
  // An entry without an agreed value is its own resolution.
  std::memcpy(words + kRecordHeadWords, entries.data(), entries.size_bytes());
  for (uint32_t i = 0; set.has_agreed_entries() && i < count; ++i) {
    if (!commit::is_agreed(entries[i].mode())) continue;
    const Change change = resolve(entries[i], agreed(i));
    std::memcpy(words + kRecordHeadWords + 4 * i, &change, sizeof(change));
  }
  const auto notes = set.notes();
  const uint32_t n = kRecordHeadWords + 4 * count;
  std::memcpy(words + n, notes.data(), notes.size_bytes());
  const auto note_count = static_cast<uint32_t>(notes.size());
  seal_record(words, n + note_count, set.kind(), count, note_count, position, set.time_ms());
  return n + note_count;
}

}  // namespace casbook::log
