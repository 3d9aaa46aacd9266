// Records: what the log says of one commit. Complete in themselves: old and new value of every
// word, so that the past, replicas and audits need nothing else.
//
// In a block, 8-byte little-endian words:
//   0  XXH3 of all words that follow                           3  book time, ms
//   1  bytes:32 | kind:8 | changes:8 | notes:8 | format:8      4  changes, 4 words each
//   2  position                                                .. notes
#pragma once

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

struct Record {
  Position position;
  int64_t time_ms = 0;
  Kind kind = Kind::none;
  uint32_t change_count = 0, note_count = 0;
  Change changes[kEntriesMax];
  uint64_t notes[kNoteWordsMax];
};

constexpr uint8_t kRecordFormat = 1;  // bump when a word changes its meaning
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
  uint32_t n = kRecordHeadWords;
  const auto entries = set.entries();
  for (uint32_t i = 0; i < entries.size(); ++i, n += 4) {
    const commit::EntryValue& entry = entries[i];
    const bool is_set = entry.mode() == Mode::set;  // the common one, in the order it is kept
    const Change change = is_set ? Change{entry.where, entry.a, entry.b, entry.c}
                                 : resolve(entry, commit::is_strict(entry.mode()) ? 0 : agreed(i));
    words[n] = change.where, words[n + 1] = change.prior;
    words[n + 2] = change.new_value, words[n + 3] = change.old_value;
  }
  for (const uint64_t note : set.notes()) words[n++] = note;
  seal_record(words, n, set.kind(), static_cast<uint32_t>(entries.size()),
              static_cast<uint32_t>(set.notes().size()), position, set.time_ms());
  return n;
}

}  // namespace casbook::log
