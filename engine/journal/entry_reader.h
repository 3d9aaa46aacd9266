// Reading the entries of a journal in order, checking all of it: headers, bodies, the chain, the
// LSNs; and telling a torn tail from damage.
//
//  torn tail       what was never synced: in the last segment only, and no later entry says that it
//                  had been. It is cut off.
//  damaged middle  anything else. Named by segment and offset.
#pragma once

#include <optional>
#include <vector>

#include "journal/format.h"

namespace casbook::journal {

struct Segment {
  uint64_t number = 0;
  SegmentHeader header{};
};

// The segments of a directory, in order, headers checked. `from_lsn`: those that hold nothing from
// that LSN on are left out, and may be missing, as are those at the beginning of which a later one
// leaves nothing. Errors: foreign_file, format_newer, format_older,
// damaged: also a number or a range of LSNs that is missing, or another journal's segment among
// them (`journal_id` 0: whatever the first says).
Result<std::vector<Segment>> list_segments(const Storage& storage, uint64_t journal_id,
                                           uint64_t from_lsn = 0);

struct Entry {
  EntryHeader header{};
  std::span<const std::byte> body;  // valid until the next call
  uint64_t segment = 0, offset = 0;
};

// A segment's header ends all before it: what they hold from its first index on was cut off there,
// and is not looked at.
class EntryReader {
 public:
  // Reads `segments`, which list_segments() gave for this storage, from the first on.
  EntryReader(const Storage& storage, std::vector<Segment> segments);
  // From the entry behind `begin` on. What lies before it is not looked at, nor is the segment that
  // `begin` names: it may be the one that is written.
  EntryReader(const Storage& storage, std::vector<Segment> segments, const JournalEnd& begin);
  // The next entry; nothing at the end, and then end() says where that is. damaged: with segment,
  // offset and what is wrong there.
  Result<std::optional<Entry>> next();
  // Where the journal ends, once next() returned nothing.
  const JournalEnd& end() const { return end_; }
  // Whether something unreadable stood at the end, and was taken for a torn tail.
  bool was_torn() const { return was_torn_; }

 private:
  Result<bool> open_next();
  Result<void> end_of_segment(const char* why);
  std::optional<Entry> entry_in(std::span<const std::byte> bytes, const char*& why);
  Result<std::span<const std::byte>> window(uint64_t offset, uint64_t bytes);
  Result<std::span<const std::byte>> entry_window(uint64_t offset);
  Result<bool> is_synced_later(uint64_t offset);
  const char* find_fault(const EntryHeader& header, std::span<const std::byte> bytes) const;
  Error damage(uint64_t offset, const std::string& what) const;

  const Storage& storage_;
  std::vector<Segment> segments_;
  std::vector<uint64_t> cut_index_;  // of each segment: the first index that a later one has anew
  size_t at_ = 0;                    // of the segment that is open, + 1
  std::unique_ptr<File> file_;
  uint64_t seed_ = 0;
  std::optional<JournalEnd> begin_;  // in the first one read; none: where that begins
  JournalEnd end_;
  bool was_torn_ = false;
  struct FreeMemory {
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, FreeMemory> buffer_;  // aligned, for direct reads
  uint64_t buffer_offset_ = 0, buffer_bytes_ = 0;
};

}  // namespace casbook::journal
