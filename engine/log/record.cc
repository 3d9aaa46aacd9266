#include "log/record.h"

#include <algorithm>

#include "base/crc32c.h"

namespace casbook::log {

namespace {

// Two CRC-32C, over the words of odd and of even index: each is one instruction per word, and the
// two do not wait for one another. Detects damage; no signature.
uint64_t checksum(const uint64_t* words, uint32_t count) {
  uint64_t odd = UINT32_MAX, even = UINT32_MAX;
  uint32_t i = 1;
  for (; i + 1 < count; i += 2) {
    odd = base::crc32c(odd, words[i]);
    even = base::crc32c(even, words[i + 1]);
  }
  if (i < count) odd = base::crc32c(odd, words[i]);
  return odd << 32 | even;
}

// The bound that a denied change would have crossed.
uint64_t crossed_bound(uint64_t old_value, const commit::EntryValue& entry) {
  int64_t sum;
  const bool overflow =
      __builtin_add_overflow(static_cast<int64_t>(old_value), static_cast<int64_t>(entry.a), &sum);
  const bool below =
      overflow ? static_cast<int64_t>(entry.a) < 0 : sum < static_cast<int64_t>(entry.b);
  return below ? entry.b : entry.c;
}

}  // namespace

Change resolve(const commit::EntryValue& entry, uint64_t agreed) {
  switch (entry.mode()) {
    case Mode::set:
      return {entry.where, entry.a, entry.b, entry.c};
    case Mode::add:
      return {entry.where, 0, agreed + entry.a, agreed};
    case Mode::deny:
      return {entry.where, entry.a, crossed_bound(agreed, entry), agreed};
    case Mode::guard:
    case Mode::check:
      break;
  }
  return {entry.where, entry.a, 0, 0};
}

void seal_record(uint64_t* words, uint32_t count, Kind kind, uint32_t changes, uint32_t notes,
                 uint64_t position, uint64_t time_ms) {
  words[1] = uint64_t{count * 8} | static_cast<uint64_t>(kind) << 32 | uint64_t{changes} << 40 |
             uint64_t{notes} << 48 | uint64_t{kRecordFormat} << 56;
  words[2] = position;
  words[3] = time_ms;
  words[0] = checksum(words, count);
}

uint32_t encode(const Record& record, uint64_t* words) {
  uint32_t n = kRecordHeadWords;
  for (uint32_t i = 0; i < record.change_count; ++i) {
    const Change& change = record.changes[i];
    words[n++] = change.where;
    words[n++] = change.prior;
    words[n++] = change.new_value;
    words[n++] = change.old_value;
  }
  for (uint32_t i = 0; i < record.note_count; ++i) words[n++] = record.notes[i];
  seal_record(words, n, record.kind, record.change_count, record.note_count, record.position.value,
              static_cast<uint64_t>(record.time_ms));
  return n;
}

uint32_t encoded_words(uint64_t head) {
  const uint64_t changes = (head >> 40) & 0xff, notes = (head >> 48) & 0xff;
  const uint64_t words = (head & 0xffffffff) / 8;
  const bool sane = head >> 56 == kRecordFormat && changes <= kEntriesMax &&
                    notes <= kNoteWordsMax && words == kRecordHeadWords + 4 * changes + notes;
  return sane ? static_cast<uint32_t>(words) : 0;
}

bool decode(const uint64_t* words, uint32_t count, Record& record) {
  if (count < kRecordHeadWords || encoded_words(words[1]) != count ||
      words[0] != checksum(words, count))
    return false;
  record.kind = static_cast<Kind>((words[1] >> 32) & 0xff);
  record.change_count = (words[1] >> 40) & 0xff;
  record.note_count = (words[1] >> 48) & 0xff;
  record.position = {words[2]};
  record.time_ms = static_cast<int64_t>(words[3]);
  uint32_t n = kRecordHeadWords;
  for (uint32_t i = 0; i < record.change_count; ++i, n += 4)
    record.changes[i] = {words[n], words[n + 1], words[n + 2], words[n + 3]};
  for (uint32_t i = 0; i < record.note_count; ++i) record.notes[i] = words[n++];
  return true;
}

void read_descriptor(const commit::Descriptor& descriptor, uint64_t lsn, Record& record) {
  const uint64_t head = descriptor.head.load_relaxed();
  record.position = Position::of(descriptor.epoch.load_relaxed(), lsn);
  record.time_ms = static_cast<int64_t>(descriptor.time_ms.load_relaxed());
  record.kind = static_cast<Kind>((head >> 16) & 0xff);
  record.change_count = std::min<uint32_t>(head & 0xff, kEntriesMax);
  record.note_count = std::min<uint32_t>((head >> 8) & 0xff, kNoteWordsMax);
  for (uint32_t i = 0; i < record.change_count; ++i) {
    const commit::Entry& entry = descriptor.entries[i];
    const commit::EntryValue value{entry.where.load_relaxed(), entry.a.load_relaxed(),
                                   entry.b.load_relaxed(), entry.c.load_relaxed()};
    record.changes[i] = resolve(value, descriptor.agreed[i].lo.load_relaxed());
  }
  for (uint32_t i = 0; i < record.note_count; ++i)
    record.notes[i] = descriptor.note[i].load_relaxed();
}

}  // namespace casbook::log
