#include "support/twin.h"

#include <algorithm>
#include <cstring>

#include "commit/read.h"
#include "journal/replay.h"
#include "log/log_reader.h"

namespace casbook::test_support {

using journal::EntryHeader;
using journal::kBlockBytes;
using journal::SegmentHeader;

Twin::Twin(const arena::Mapping& of) {
  const journal::BookShape shape = must(journal::shape_of(of));
  const auto request = must(journal::request_of(shape, directory_.path()));
  must(arena::create(request, [](arena::Mapping& mapping) -> Result<void> {
    commit::Store::format(mapping, false);
    return {};
  }));
  mapping_ = must(arena::attach(directory_.path(), request.name, arena::Access::read_write));
  store_.emplace(*mapping_);
}

void Twin::clear() {
  const auto& region = mapping_->header().regions[static_cast<uint32_t>(arena::Region::cells)];
  std::memset(mapping_->region<std::byte>(arena::Region::cells), 0, region.bytes);
  commit::Store::format(*mapping_, false);
}

std::string first_difference(const commit::Store& living, const commit::Store& rebuilt) {
  for (uint32_t t = 0; t < arena::kCellTableCount; ++t) {
    const auto& table = living.mapping().cells(static_cast<arena::CellTable>(t));
    const uint32_t words = commit::kTableWords[t];
    for (uint64_t i = 0; i < table.count; ++i) {
      const commit::Unit unit = table.first_unit + i * commit::units_of(words);
      commit::CellImage image;
      commit::peek_cell(living, unit, words, image);
      commit::Cell& cell = rebuilt.cell(unit);
      const std::string where = "table " + std::to_string(t) + ", cell " + std::to_string(i) + ": ";
      if (cell.word_count.load_relaxed() != words) return where + "word count";
      if (cell.state.load_relaxed() != image.version)
        return where + "state " + std::to_string(cell.state.load_relaxed()) + ", expected " +
               std::to_string(image.version);
      for (uint32_t w = 0; w < words; ++w)
        if (cell.word(w).lo.load_relaxed() != image.value[w] ||
            cell.word(w).hi.load_relaxed() != image.word_version[w])
          return where + "word " + std::to_string(w);
    }
  }
  return {};
}

EncodedRecords records_of(const commit::Store& store, uint64_t from, uint64_t to) {
  EncodedRecords records;
  for (uint64_t lsn = from; lsn < to; ++lsn) {
    log::EncodedRecord record;
    if (log::fetch_encoded(store, lsn, record) != log::Fetch::got)
      throw std::runtime_error("record " + std::to_string(lsn) + " is not in the ring");
    records.emplace_back(record.words, record.words + record.count);
  }
  return records;
}

void apply_all(const commit::Store& store, const EncodedRecords& records) {
  for (const auto& words : records) must(journal::apply_record(store, words));
}

journal::CheckpointRequest checkpoint_request(const commit::Store& store) {
  return {.journal_id = kTestJournalId,
          .shape = must(journal::shape_of(store.mapping())),
          .index_of = [](uint64_t lsn) { return lsn; },
          .records = [&store](uint64_t from, uint64_t to, const auto& sink) -> Result<void> {
            for (const auto& words : records_of(store, from, to)) sink(words);
            return {};
          },
          .must_stop = {}};
}

namespace {

struct Chain {
  uint64_t index = 0, checksum = 0, term = 0, next_lsn = 1;
};

// Header and body of the entry that goes on from `chain`, padded.
std::vector<std::byte> entry_bytes(std::span<const std::vector<uint64_t>> records, uint64_t seed,
                                   Chain& chain) {
  std::vector<uint64_t> body;
  for (const auto& words : records) body.insert(body.end(), words.begin(), words.end());
  const auto bytes = std::as_bytes(std::span(body));
  EntryHeader header{};
  header.magic = journal::kEntryMagic;
  header.bytes = static_cast<uint32_t>(sizeof header + bytes.size());
  header.index = chain.index + 1, header.first_lsn = chain.next_lsn;
  header.count = static_cast<uint32_t>(records.size());
  header.term = static_cast<uint16_t>(records.empty() ? 1 : Position{records.front()[2]}.term());
  header.type = static_cast<uint8_t>(records.empty() ? journal::EntryType::barrier
                                                     : journal::EntryType::records);
  header.synced_index = chain.index, header.chain = chain.checksum;
  journal::seal(header, bytes, seed);
  chain = {header.index, header.checksum, header.term, header.first_lsn + header.count};
  std::vector<std::byte> padded(journal::round_up_to_block(header.bytes));
  std::memcpy(padded.data(), &header, sizeof header);
  std::ranges::copy(bytes, padded.begin() + sizeof header);
  return padded;
}

SegmentHeader segment_header(const arena::Mapping& book, uint64_t number, uint64_t bytes,
                             const Chain& chain) {
  SegmentHeader header{};
  header.magic = journal::kSegmentMagic, header.format = journal::kJournalFormat;
  header.header_bytes = sizeof header, header.journal_id = kTestJournalId;
  header.number = number, header.bytes = bytes;
  header.first_index = chain.index + 1, header.next_lsn = chain.next_lsn;
  header.chain = chain.checksum, header.term = chain.term;
  header.shape = must(journal::shape_of(book));
  journal::seal(header);
  return header;
}

void write_segment(journal::Storage& storage, const arena::Mapping& book, uint64_t number,
                   const std::vector<std::byte>& entries, const Chain& begin) {
  const SegmentHeader header =
      segment_header(book, number, kBlockBytes + entries.size() + kBlockBytes, begin);
  std::byte* const memory = static_cast<std::byte*>(std::aligned_alloc(kBlockBytes, header.bytes));
  std::memset(memory, 0, header.bytes);
  std::memcpy(memory, &header, sizeof header);
  std::memcpy(memory + kBlockBytes, entries.data(), entries.size());
  auto file = must(storage.create(journal::segment_name(number)));
  must(file->write(0, {memory, header.bytes}));
  must(file->sync());
  std::free(memory);
}

}  // namespace

void write_segments(journal::Storage& storage, const arena::Mapping& book,
                    const EncodedRecords& records, const JournalCut& cut) {
  Chain chain;
  size_t at = 0;
  uint64_t number = 1;
  for (; number <= cut.barriers; ++number) {
    const Chain begin = chain;
    write_segment(storage, book, number,
                  entry_bytes({}, journal::seed_of(kTestJournalId, number), chain), begin);
  }
  for (; at < records.size(); ++number) {
    const Chain begin = chain;
    std::vector<std::byte> entries;
    for (uint64_t e = 0; e < cut.per_segment && at < records.size(); ++e) {
      // Of one term each.
      size_t count = 1;
      while (count < cut.per_entry && at + count < records.size() &&
             Position{records[at + count][2]}.term() == Position{records[at][2]}.term())
        ++count;
      const auto bytes = entry_bytes(std::span(records).subspan(at, count),
                                     journal::seed_of(kTestJournalId, number), chain);
      entries.insert(entries.end(), bytes.begin(), bytes.end());
      at += count;
    }
    write_segment(storage, book, number, entries, begin);
  }
  must(storage.sync_directory());
}

}  // namespace casbook::test_support
