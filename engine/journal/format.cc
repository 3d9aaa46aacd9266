#include "journal/format.h"

#include <charconv>
#include <cstring>

#include "base/hash.h"
#include "base/probe.h"

namespace casbook::journal {

using base::Mutant;

namespace {

constexpr std::string_view kSegmentPrefix = "segment-";
constexpr size_t kNumberDigits = 20;

template <class Header>
uint64_t checksum_of(const Header& header, uint64_t seed) {
  return base::hash_bytes(&header, offsetof(Header, checksum), seed);
}

}  // namespace

uint64_t seed_of(uint64_t journal_id, uint64_t segment_number) {
  const uint64_t words[] = {journal_id, segment_number};
  return base::hash_bytes(words, sizeof words, kEntryMagic);
}

void seal(SegmentHeader& header) { header.checksum = checksum_of(header, header.journal_id); }

void seal(EntryHeader& header, std::span<const std::byte> body, uint64_t seed) {
  header.body_checksum = base::hash_bytes(body.data(), body.size(), header.index);
  header.checksum = checksum_of(header, seed);
}

Result<void> check(const SegmentHeader& header, uint64_t file_bytes) {
  const auto error = [](Code code, std::string detail) {
    return Error{.code = code, .detail = std::move(detail)};
  };
  if (header.magic != kSegmentMagic)
    return error(Code::foreign_file, "it does not begin as a segment does");
  if (header.format != kJournalFormat)
    return error(header.format > kJournalFormat ? Code::format_newer : Code::format_older,
                 "format " + std::to_string(header.format) + ", this program knows " +
                     std::to_string(kJournalFormat));
  if (header.header_bytes != sizeof(SegmentHeader) ||
      header.checksum != checksum_of(header, header.journal_id))
    return error(Code::damaged, "the checksum of the segment's header does not fit");
  if (header.journal_id == 0 || header.number == 0 || header.first_index == 0 ||
      header.next_lsn == 0 || header.bytes % kBlockBytes != 0)
    return error(Code::damaged, "the segment's header contradicts itself");
  if (file_bytes != header.bytes)
    return error(
        file_bytes < header.bytes ? Code::truncated : Code::damaged,
        std::to_string(file_bytes) + " bytes, its header says " + std::to_string(header.bytes));
  return {};
}

bool is_entry(const EntryHeader& header, uint64_t seed) {
  return header.magic == kEntryMagic && header.bytes >= sizeof(EntryHeader) &&
         header.bytes <= kEntryBytesMax &&
         (header.checksum == checksum_of(header, seed) ||
          base::mutated(Mutant::journal_checksum_ignored));
}

bool is_body(const EntryHeader& header, std::span<const std::byte> body) {
  return body.size() == header.bytes - sizeof(EntryHeader) &&
         (header.body_checksum == base::hash_bytes(body.data(), body.size(), header.index) ||
          base::mutated(Mutant::journal_checksum_ignored));
}

std::string segment_name(uint64_t number) {
  const std::string digits = std::to_string(number);
  return std::string(kSegmentPrefix) + std::string(kNumberDigits - digits.size(), '0') + digits;
}

std::optional<uint64_t> segment_number(std::string_view name) {
  if (!name.starts_with(kSegmentPrefix)) return {};
  name.remove_prefix(kSegmentPrefix.size());
  uint64_t number = 0;
  const char* const end = name.data() + name.size();
  const auto [rest, failure] = std::from_chars(name.data(), end, number);
  if (name.size() != kNumberDigits || failure != std::errc() || rest != end || number == 0)
    return {};
  return number;
}

}  // namespace casbook::journal
