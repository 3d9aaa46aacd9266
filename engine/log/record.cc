#include "log/record.h"

#include <algorithm>

#include "base/crc32c.h"

namespace casbook::log {

namespace {

// Four CRC-32C, each over every fourth word: one instruction per word, and no lane waits for
// another. Word 0, where it is kept, counts as zero. Detects damage; no signature.
//
// Folded by two multiplications, as a CRC is linear: one of two lanes depends on their exclusive or
// only, so the same bits flipped in two neighbouring words, or the two exchanged, would go unseen.
class Checksum {
 public:
  // Every call but the last with a multiple of four words.
  void add(const uint64_t* words, size_t count) {
    for (; count >= 4; count -= 4, words += 4) {
      a_ = base::crc32c(a_, words[0]);
      b_ = base::crc32c(b_, words[1]);
      c_ = base::crc32c(c_, words[2]);
      d_ = base::crc32c(d_, words[3]);
    }
    if (count > 0) a_ = base::crc32c(a_, words[0]);
    if (count > 1) b_ = base::crc32c(b_, words[1]);
    if (count > 2) c_ = base::crc32c(c_, words[2]);
  }
  uint64_t value() const {
    constexpr uint64_t kOdd = 0x9e3779b97f4a7c15, kOtherOdd = 0xc2b2ae3d27d4eb4f;
    return (a_ << 32 | b_) * kOdd ^ (c_ << 32 | d_) * kOtherOdd;
  }

 private:
  uint64_t a_ = UINT32_MAX, b_ = UINT32_MAX, c_ = UINT32_MAX, d_ = UINT32_MAX;
};
static_assert(kRecordHeadWords == 4, "the lanes begin anew behind the head");

// Fills the head of an image whose other words are known.
void seal(RecordImage& image, Kind kind, uint64_t position, uint64_t time_ms) {
  image.head[0] = 0;
  image.head[1] = uint64_t{image.words()} * 8 | static_cast<uint64_t>(kind) << 32 |
                  uint64_t{image.changes.size() / 4} << 40 | uint64_t{image.notes.size()} << 48 |
                  uint64_t{kRecordFormat} << 56;
  image.head[2] = position;
  image.head[3] = time_ms;
  Checksum sum;
  sum.add(image.head, kRecordHeadWords);
  sum.add(image.changes.data(), image.changes.size());
  sum.add(image.notes.data(), image.notes.size());
  image.head[0] = sum.value();
}

uint64_t checksum_of(const uint64_t* words, uint32_t count) {
  const uint64_t head[kRecordHeadWords] = {0, words[1], words[2], words[3]};
  Checksum sum;
  sum.add(head, kRecordHeadWords);
  sum.add(words + kRecordHeadWords, count - kRecordHeadWords);
  return sum.value();
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

RecordImage image_of(const Record& record) {
  RecordImage image{.head = {},
                    .changes = words_of({record.changes, record.change_count}),
                    .notes = {record.notes, record.note_count}};
  seal(image, record.kind, record.position.value, static_cast<uint64_t>(record.time_ms));
  return image;
}

std::span<const uint64_t> words_of(std::span<const Change> changes) {
  return {&changes.data()->where, 4 * changes.size()};
}

RecordImage image_of(const commit::WriteSet& set, std::span<const uint64_t> changes,
                     uint64_t position) {
  RecordImage image{.head = {}, .changes = changes, .notes = set.notes()};
  seal(image, set.kind(), position, set.time_ms());
  return image;
}

uint32_t encoded_words(uint64_t head) {
  const uint64_t changes = (head >> 40) & 0xff, notes = (head >> 48) & 0xff;
  const uint64_t words = (head & 0xffffffff) / 8;
  const bool sane = head >> 56 == kRecordFormat && changes <= kEntriesMax &&
                    notes <= kNoteWordsMax && words == kRecordHeadWords + 4 * changes + notes;
  return sane ? static_cast<uint32_t>(words) : 0;
}

bool is_record(std::span<const uint64_t> words) {
  return words.size() >= kRecordHeadWords && encoded_words(words[1]) == words.size() &&
         words[0] == checksum_of(words.data(), static_cast<uint32_t>(words.size()));
}

void unpack(std::span<const uint64_t> words, Record& record) {
  record.kind = static_cast<Kind>((words[1] >> 32) & 0xff);
  record.change_count = (words[1] >> 40) & 0xff;
  record.note_count = (words[1] >> 48) & 0xff;
  record.position = {words[2]};
  record.time_ms = static_cast<int64_t>(words[3]);
  uint32_t n = kRecordHeadWords;
  for (uint32_t i = 0; i < record.change_count; ++i, n += 4)
    record.changes[i] = {words[n], words[n + 1], words[n + 2], words[n + 3]};
  for (uint32_t i = 0; i < record.note_count; ++i) record.notes[i] = words[n++];
}

bool decode(const uint64_t* words, uint32_t count, Record& record) {
  if (!is_record({words, count})) return false;
  unpack({words, count}, record);
  return true;
}

void encode(const RecordImage& image, EncodedRecord& record) {
  uint64_t* to = record.words;
  for (const std::span<const uint64_t> piece :
       {std::span<const uint64_t>(image.head), image.changes, image.notes})
    to = std::copy(piece.begin(), piece.end(), to);
  record.count = image.words();
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
