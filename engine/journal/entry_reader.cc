#include "journal/entry_reader.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/assert.h"

namespace casbook::journal {

namespace {

constexpr uint64_t kWindowBytes = 4ull << 20;
static_assert(kWindowBytes >= 2 * kEntryBytesMax);

Error error_in(const Storage& storage, uint64_t number, Code code, const std::string& what) {
  return {.code = code, .detail = storage.describe() + "/" + segment_name(number) + ": " + what};
}

Result<Segment> read_segment(const Storage& storage, uint64_t number) {
  auto file = storage.open(segment_name(number), Storage::Access::read);
  if (!file) return file.error();
  Segment segment{number, {}};
  if (auto read = (*file)->read(0, std::as_writable_bytes(std::span(&segment.header, 1))); !read) {
    if (read.error().code != Code::truncated) return read.error();
    return error_in(storage, number, Code::truncated, "it ends inside its header");
  }
  if (auto checked = check(segment.header, (*file)->bytes()); !checked)
    return error_in(storage, number, checked.error().code, checked.error().detail);
  if (segment.header.number != number)
    return error_in(storage, number, Code::damaged,
                    "its header says that it is number " + std::to_string(segment.header.number));
  return segment;
}

}  // namespace

Result<std::vector<Segment>> list_segments(const Storage& storage, uint64_t journal_id,
                                           uint64_t from_lsn) {
  const auto names = storage.list();
  if (!names) return names.error();
  std::vector<Segment> segments;
  for (const std::string& name : *names) {
    const auto number = segment_number(name);
    if (!number) continue;
    auto segment = read_segment(storage, *number);
    if (!segment) return segment.error();
    if (journal_id == 0) journal_id = segment->header.journal_id;
    if (segment->header.journal_id != journal_id)
      return error_in(storage, *number, Code::foreign_journal, "it belongs to another journal");
    // A later one that begins at or below from_lsn makes all before it superfluous.
    if (segment->header.next_lsn <= from_lsn) segments.clear();
    if (!segments.empty() && segments.back().number + 1 != *number)
      return error_in(storage, segments.back().number + 1, Code::damaged, "it is missing");
    // Of what is there this one leaves nothing, as when a removal that was under way died.
    if (!segments.empty() && segment->header.first_index <= segments.front().header.first_index)
      segments.clear();
    segments.push_back(*segment);
  }
  if (!segments.empty() && segments.front().header.next_lsn > std::max<uint64_t>(from_lsn, 1) &&
      from_lsn != 0)
    return error_in(storage, segments.front().number, Code::damaged,
                    "it begins at lsn " + std::to_string(segments.front().header.next_lsn) +
                        ", records from lsn " + std::to_string(from_lsn) + " on are missing");
  return segments;
}

void EntryReader::FreeMemory::operator()(std::byte* memory) const { std::free(memory); }

EntryReader::EntryReader(const Storage& storage, std::vector<Segment> segments)
    : storage_(storage), segments_(std::move(segments)), cut_index_(segments_.size(), UINT64_MAX) {
  for (size_t i = segments_.size(); i-- > 1;)
    cut_index_[i - 1] = std::min(cut_index_[i], segments_[i].header.first_index);
}

EntryReader::EntryReader(const Storage& storage, std::vector<Segment> segments,
                         const JournalEnd& begin)
    : EntryReader(storage, std::move(segments)) {
  const uint64_t index = begin.index + 1;
  // The last one that begins at or before it: what earlier ones have there was cut off.
  // Bounded by the segments.
  for (at_ = segments_.size(); at_ > 0 && segments_[at_ - 1].header.first_index > index;) --at_;
  if (at_ > 0) --at_;
  begin_ = begin;
  if (at_ < segments_.size() && segments_[at_].header.first_index == index)
    begin_->offset = kBlockBytes;
}

Error EntryReader::damage(uint64_t offset, const std::string& what) const {
  return error_in(storage_, segments_[at_ - 1].number, Code::damaged,
                  "at offset " + std::to_string(offset) + ": " + what);
}

// False: there are no more.
Result<bool> EntryReader::open_next() {
  while (at_ < segments_.size() && segments_[at_].header.first_index >= cut_index_[at_]) ++at_;
  if (at_ == segments_.size()) return false;
  const Segment& segment = segments_[at_++];
  const SegmentHeader& header = segment.header;
  const bool is_inside = end_.segment == 0 && begin_;
  if (is_inside) {
    end_ = *begin_;
  } else if (end_.segment == 0) {
    end_.index = header.first_index - 1, end_.chain = header.chain;
    end_.term = header.term, end_.next_lsn = header.next_lsn;
  } else if (header.first_index != end_.index + 1 || header.chain != end_.chain ||
             header.next_lsn != end_.next_lsn || header.term != end_.term) {
    return damage(0, "it does not go on where the segment before it ends (entry " +
                         std::to_string(end_.index) + ")");
  }
  auto file = storage_.open(segment_name(segment.number), Storage::Access::read);
  if (!file) return file.error();
  file_ = std::move(*file);
  seed_ = seed_of(header.journal_id, segment.number);
  end_.segment = segment.number;
  if (!is_inside) end_.offset = kBlockBytes;
  buffer_bytes_ = 0;
  return true;
}

// The bytes of the open segment from `offset` on, as many of `bytes` as there are.
Result<std::span<const std::byte>> EntryReader::window(uint64_t offset, uint64_t bytes) {
  const uint64_t file_bytes = segments_[at_ - 1].header.bytes;
  bytes = std::min(bytes, file_bytes - std::min(offset, file_bytes));
  const bool is_inside = buffer_bytes_ != 0 && offset >= buffer_offset_ &&
                         offset + bytes <= buffer_offset_ + buffer_bytes_;
  if (!is_inside) {
    if (!buffer_)
      buffer_.reset(static_cast<std::byte*>(std::aligned_alloc(kBlockBytes, kWindowBytes)));
    CASBOOK_ASSERT(buffer_);
    buffer_offset_ = offset;
    buffer_bytes_ = std::min(kWindowBytes, file_bytes - offset);
    if (auto read = file_->read(offset, {buffer_.get(), buffer_bytes_}); !read) {
      buffer_bytes_ = 0;
      return read.error();
    }
  }
  return std::span<const std::byte>(buffer_.get() + (offset - buffer_offset_), bytes);
}

// The bytes of the entry at `offset`, if its header says how many; else some.
Result<std::span<const std::byte>> EntryReader::entry_window(uint64_t offset) {
  EntryHeader header{};
  auto bytes = window(offset, sizeof header);
  if (!bytes || bytes->size() < sizeof header) return bytes;
  std::memcpy(&header, bytes->data(), sizeof header);
  return is_entry(header, seed_) ? window(offset, header.bytes) : bytes;
}

// Whether an entry behind `offset` says that the one missing here had been synced. Entries are
// looked for at every block, since what is unreadable has no length.
Result<bool> EntryReader::is_synced_later(uint64_t offset) {
  const uint64_t file_bytes = segments_[at_ - 1].header.bytes;
  for (; offset + sizeof(EntryHeader) <= file_bytes; offset += kBlockBytes) {
    auto bytes = window(offset, sizeof(EntryHeader));
    if (!bytes) return bytes.error();
    EntryHeader header;
    std::memcpy(&header, bytes->data(), sizeof header);
    if (is_entry(header, seed_) && header.synced_index > end_.index) return true;
  }
  return false;
}

// `why`: nothing readable stands at the end of what was read, which is no cut. In the last segment
// a torn tail is what nobody says was synced.
Result<void> EntryReader::end_of_segment(const char* why) {
  const std::string what = std::string(why[0] ? why : "no entry") + ", where entry " +
                           std::to_string(end_.index + 1) + " should stand";
  if (cut_index_[at_ - 1] != UINT64_MAX) return damage(end_.offset, what);
  auto synced = is_synced_later(end_.offset + kBlockBytes);
  if (!synced) return synced.error();
  if (*synced) return damage(end_.offset, what + ", which a later entry says was synced");
  was_torn_ = why[0] != 0;
  return {};
}

Result<std::optional<Entry>> EntryReader::next() {
  // Bounded by the segments: each round opens one, or returns.
  for (;;) {
    if (file_ && end_.index + 1 < cut_index_[at_ - 1]) {
      auto bytes = entry_window(end_.offset);
      if (!bytes) return bytes.error();
      const char* why = "";
      auto entry = entry_in(*bytes, why);
      if (entry) return entry;
      if (auto ended = end_of_segment(why); !ended) return ended.error();
    }
    auto opened = open_next();
    if (!opened) return opened.error();
    if (!*opened) return std::optional<Entry>{};
  }
}

// The entry that the bytes at end_ begin with; then the end is behind it. Else nothing, and why.
std::optional<Entry> EntryReader::entry_in(std::span<const std::byte> bytes, const char*& why) {
  Entry entry{.segment = end_.segment, .offset = end_.offset};
  const EntryHeader& header = entry.header;
  if (bytes.size() < sizeof header) return {};
  std::memcpy(&entry.header, bytes.data(), sizeof header);
  why = find_fault(header, bytes);
  if (why) return {};
  entry.body = bytes.subspan(sizeof header, header.bytes - sizeof header);
  end_.offset += round_up_to_block(header.bytes);
  end_.index = header.index, end_.chain = header.checksum, end_.term = header.term;
  end_.next_lsn = header.first_lsn + header.count;
  return entry;
}

// Null: the bytes begin with the entry that follows. Empty: with zeros, as where nothing was
// written.
const char* EntryReader::find_fault(const EntryHeader& header,
                                    std::span<const std::byte> bytes) const {
  static constexpr EntryHeader kNothing{};
  if (std::memcmp(&header, &kNothing, sizeof header) == 0) return "";
  if (!is_entry(header, seed_)) return "no entry's header, or its checksum does not fit";
  if (header.index != end_.index + 1) return "an entry of another index";
  if (header.chain != end_.chain) return "an entry that does not follow the one before it";
  if (header.first_lsn != end_.next_lsn) return "an entry whose records do not follow";
  if (header.term < end_.term) return "an entry of an earlier term";
  if (header.bytes > bytes.size()) return "an entry that does not fit into its segment";
  const auto body = bytes.subspan(sizeof header, header.bytes - sizeof header);
  return is_body(header, body) ? nullptr : "an entry whose body does not fit its checksum";
}

}  // namespace casbook::journal
