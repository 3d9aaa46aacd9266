// Records: what the log says of one commit. Complete in themselves: old and new value of every
// word, so that the past, replicas and audits need nothing else.
//
// In a block, 8-byte little-endian words:
//   0  checksum: four CRC-32C folded to one word              3  book time, ms
//   1  bytes:32 | kind:8 | changes:8 | notes:8 | format:8      4  changes, 4 words each
//   2  position                                                .. notes
#pragma once

#include <span>

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

struct Record {
  Position position;
  int64_t time_ms = 0;
  Kind kind = Kind::none;
  uint32_t change_count = 0, note_count = 0;
  Change changes[kEntriesMax];
  uint64_t notes[kNoteWordsMax];
};

constexpr uint8_t kRecordFormat = 3;  // bump when a word changes its meaning
constexpr uint32_t kRecordHeadWords = 4;
constexpr uint32_t kRecordWordsMax = kRecordHeadWords + 4 * kEntriesMax + kNoteWordsMax;
static_assert(kRecordWordsMax * 8 <= kBlockBytesDefault / 4,
              "a block holds several of the largest");

// A record about to be written: its head, and where the rest of its words stand.
struct RecordImage {
  uint64_t head[kRecordHeadWords];
  std::span<const uint64_t> changes, notes;

  uint32_t words() const {
    return static_cast<uint32_t>(kRecordHeadWords + changes.size() + notes.size());
  }
};
// Both point into what they are made from.
RecordImage image_of(const Record& record);
// Of a committed write set; `changes` are the words of its entries, resolved: without agreed ones
// those are the entries as they stand.
RecordImage image_of(const commit::WriteSet& set, std::span<const uint64_t> changes,
                     uint64_t position);
std::span<const uint64_t> words_of(std::span<const Change> changes);
// The length in words that word 1 claims; 0 when it cannot be a record.
uint32_t encoded_words(uint64_t head);
// The words are one record, whole: its length and its checksum are right.
bool is_record(std::span<const uint64_t> words);
// Precondition: is_record(). False: not a record.
void unpack(std::span<const uint64_t> words, Record& record);
bool decode(const uint64_t* words, uint32_t count, Record& record);

// Records as they are kept, shipped and journaled.
struct EncodedRecord {
  uint32_t count = 0;
  uint64_t words[kRecordWordsMax];

  std::span<const uint64_t> span() const { return {words, count}; }
  Position position() const { return {words[2]}; }
};
void encode(const RecordImage& image, EncodedRecord& record);

// The record of the instance in `descriptor`, claimed at `lsn`. Not validated: the caller checks
// that the instance was not recycled meanwhile.
void read_descriptor(const commit::Descriptor& descriptor, uint64_t lsn, Record& record);

// One entry, resolved; `agreed` is read for judged entries only.
Change resolve(const commit::EntryValue& entry, uint64_t agreed);

}  // namespace casbook::log
