#include "journal/segment_records.h"

#include <algorithm>
#include <cstring>

#include "log/record.h"

namespace casbook::journal {

using base::FaultPoint;

namespace {

Error missing(const Storage& storage, const std::string& what) {
  return {.code = Code::damaged, .detail = storage.describe() + ": " + what};
}

}  // namespace

bool for_each_record(const Entry& entry,
                     const std::function<void(std::span<const uint64_t>)>& sink) {
  log::EncodedRecord record;
  std::span<const std::byte> rest = entry.body;
  for (uint32_t i = 0; i < entry.header.count; ++i) {
    if (rest.size() < log::kRecordHeadWords * 8) return false;
    uint64_t head;
    std::memcpy(&head, rest.data() + 8, 8);
    record.count = log::encoded_words(head);
    if (record.count == 0 || rest.size() < record.count * 8) return false;
    std::memcpy(record.words, rest.data(), record.count * 8);
    if (!log::is_record(record.span()) ||
        record.position() != Position::of(entry.header.term, entry.header.first_lsn + i))
      return false;
    sink(record.span());
    rest = rest.subspan(record.count * 8);
  }
  return rest.empty();
}

Result<uint64_t> read_records(const Storage& storage, uint64_t journal_id, uint64_t from,
                              uint64_t to,
                              const std::function<void(std::span<const uint64_t>)>& sink) {
  if (from >= to) return uint64_t{0};
  auto segments = list_segments(storage, journal_id, from);
  if (!segments) return segments.error();
  EntryReader reader(storage, std::move(*segments));
  // Bounded by the entries: each round takes one.
  for (;;) {
    auto entry = reader.next();
    if (!entry) return entry.error();
    if (!*entry) break;
    const EntryHeader& header = (*entry)->header;
    // One without records has a body of another kind.
    if (header.count == 0 || header.first_lsn + header.count <= from) continue;
    const bool is_whole = for_each_record(**entry, [&](std::span<const uint64_t> words) {
      const uint64_t lsn = Position{words[2]}.lsn();
      if (lsn >= from && lsn < to) sink(words);
    });
    if (!is_whole) return missing(storage, "the records of entry " + std::to_string(header.index));
    if (header.first_lsn + header.count >= to) return header.index;
  }
  return missing(storage, "it ends at lsn " + std::to_string(reader.end().next_lsn) +
                              ", records up to lsn " + std::to_string(to) + " are missing");
}

Result<JournalEnd> end_at(const Storage& storage, uint64_t journal_id, uint64_t lsn) {
  auto segments = list_segments(storage, journal_id, lsn + 1);
  if (!segments) return segments.error();
  if (segments->empty()) return missing(storage, "it has no segments");
  const uint64_t last_number = segments->back().number;
  if (const SegmentHeader& first = segments->front().header; first.next_lsn == lsn + 1)
    return JournalEnd{.segment = last_number,
                      .index = first.first_index - 1,
                      .chain = first.chain,
                      .term = first.term,
                      .next_lsn = first.next_lsn};
  EntryReader reader(storage, std::move(*segments));
  // Bounded by the entries.
  for (;;) {
    auto entry = reader.next();
    if (!entry) return entry.error();
    JournalEnd end = reader.end();
    if (end.next_lsn == lsn + 1) {
      end.segment = last_number;  // the next one follows the last, wherever the cut lies
      return end;
    }
    if (!*entry || end.next_lsn > lsn + 1) break;
  }
  return missing(storage, "no entry ends with lsn " + std::to_string(lsn) + ", which was durable");
}

namespace {

// What the journal begins with when the segments before one are gone. Headers cut: a later one may
// begin before it.
struct Beginning {
  uint64_t index = UINT64_MAX, lsn = UINT64_MAX;
};
std::vector<Beginning> beginnings(const std::vector<Segment>& segments) {
  std::vector<Beginning> all(segments.size() + 1);
  for (size_t at = segments.size(); at-- > 0;) {
    const SegmentHeader& header = segments[at].header;
    all[at] = {std::min(header.first_index, all[at + 1].index),
               std::min(header.next_lsn, all[at + 1].lsn)};
  }
  all.pop_back();
  return all;
}

// One by one, so that those that are left follow each other after a loss of power.
Result<void> remove_segment(Storage& storage, uint64_t number) {
  if (auto removed = storage.remove(segment_name(number)); !removed) return removed;
  if (auto synced = storage.sync_directory(); !synced) return synced;
  base::fault_point(FaultPoint::segment_after_remove);
  return {};
}

// What a removal that died has left: segments of which nothing counts any more.
Result<void> remove_before(Storage& storage, const std::vector<Segment>& segments) {
  if (segments.empty()) return {};
  const auto names = storage.list();
  if (!names) return names.error();
  std::vector<uint64_t> numbers;
  for (const std::string& name : *names)
    if (const auto number = segment_number(name); number && *number < segments.front().number)
      numbers.push_back(*number);
  std::ranges::sort(numbers);
  for (const uint64_t number : numbers)
    if (auto removed = remove_segment(storage, number); !removed) return removed;
  return {};
}

}  // namespace

Result<uint64_t> last_index_below(const Storage& storage, uint64_t journal_id, uint64_t lsn) {
  const auto segments = list_segments(storage, journal_id);
  if (!segments) return segments.error();
  const auto begins = beginnings(*segments);
  size_t first = 0;
  while (first + 1 < begins.size() && begins[first + 1].lsn <= lsn) ++first;
  return first == 0 ? 0 : begins[first].index - 1;
}

Result<SegmentsKept> remove_segments_below(Storage& storage, uint64_t journal_id, uint64_t lsn,
                                           uint64_t index) {
  auto segments = list_segments(storage, journal_id);
  if (!segments) return segments.error();
  if (auto removed = remove_before(storage, *segments); !removed) return removed.error();
  const auto begins = beginnings(*segments);
  size_t first = 0;
  while (first + 1 < begins.size() && begins[first + 1].lsn <= lsn &&
         begins[first + 1].index - 1 <= index) {
    if (auto removed = remove_segment(storage, (*segments)[first].number); !removed)
      return removed.error();
    ++first;
  }
  SegmentsKept kept;
  for (; first < segments->size(); ++first)
    ++kept.count, kept.bytes += (*segments)[first].header.bytes;
  return kept;
}

}  // namespace casbook::journal
