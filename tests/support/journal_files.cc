#include "support/journal_files.h"

#include <algorithm>
#include <cstring>

#include "log/record.h"

namespace casbook::test {

namespace {

using journal::EntryHeader;
using journal::kBlockBytes;
using journal::SegmentHeader;

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

class Writer {
 public:
  explicit Writer(const JournalPlan& plan) : plan_(plan) { end_.next_lsn = 1; }

  JournalFiles write() {
    for (uint64_t index = 1; index <= plan_.entries; ++index) {
      if ((index - 1) % plan_.entries_per_segment == 0) begin_segment();
      append();
    }
    return std::move(journal_);
  }

 private:
  void begin_segment() {
    SegmentHeader header{};
    header.magic = journal::kSegmentMagic, header.format = journal::kJournalFormat;
    header.header_bytes = sizeof header, header.journal_id = plan_.journal_id;
    header.number = ++end_.segment, header.bytes = kTestSegmentBytes;
    header.first_index = end_.index + 1, header.next_lsn = end_.next_lsn;
    header.chain = end_.chain, header.term = end_.term;
    journal::seal(header);
    file_ = &journal_.files[journal::segment_name(header.number)];
    file_->assign(kTestSegmentBytes, {});
    std::ranges::copy(bytes_of(header), file_->begin());
    end_.offset = kBlockBytes;
  }

  void append() {
    const uint64_t index = end_.index + 1;
    Random random((index > plan_.fork_at ? plan_.fork_seed : plan_.seed) + index * 1000);
    const uint64_t term = 1 + index / 16, count = 1 + random.below(4);
    std::vector<uint64_t> body;
    for (uint64_t i = 0; i < count; ++i) {
      const auto words = random_record(random, Position::of(term, end_.next_lsn + i), 64);
      body.insert(body.end(), words.begin(), words.end());
    }
    const auto body_bytes = std::as_bytes(std::span(body));
    EntryHeader header{};
    header.magic = journal::kEntryMagic;
    header.bytes = static_cast<uint32_t>(sizeof header + body_bytes.size());
    header.index = index, header.first_lsn = end_.next_lsn;
    header.count = static_cast<uint32_t>(count), header.term = static_cast<uint16_t>(term);
    header.type = static_cast<uint8_t>(journal::EntryType::records);
    header.synced_index = index > plan_.unsynced_max ? index - plan_.unsynced_max : 0;
    header.chain = end_.chain;
    journal::seal(header, body_bytes, journal::seed_of(plan_.journal_id, end_.segment));

    WrittenEntry entry{.bytes = {}, .segment = end_.segment, .offset = end_.offset};
    std::ranges::copy(bytes_of(header), std::back_inserter(entry.bytes));
    std::ranges::copy(body_bytes, std::back_inserter(entry.bytes));
    std::ranges::copy(entry.bytes, file_->begin() + static_cast<ptrdiff_t>(end_.offset));
    end_.offset += journal::round_up_to_block(entry.bytes.size());
    end_.index = index, end_.chain = header.checksum, end_.term = term, end_.next_lsn += count;
    journal_.entries.push_back(std::move(entry));
  }

  const JournalPlan plan_;
  JournalFiles journal_;
  journal::JournalEnd end_;
  std::vector<std::byte>* file_ = nullptr;
};

}  // namespace

JournalFiles write_journal(const JournalPlan& plan) { return Writer(plan).write(); }

std::vector<uint64_t> random_record(Random& random, Position position, uint64_t units) {
  log::Record record;
  record.position = position;
  record.time_ms = static_cast<int64_t>(random.below(1u << 30));
  record.kind = commit::Kind::payment;
  record.change_count = 1 + static_cast<uint32_t>(random.below(6));
  record.note_count = static_cast<uint32_t>(random.below(8));
  for (uint32_t i = 0; i < record.change_count; ++i)
    record.changes[i] = {
        commit::make_where(random.below(units), static_cast<uint32_t>(random.below(3)),
                           random.one_in(2) ? commit::Mode::set : commit::Mode::add),
        random.next(), random.next(), random.next()};
  for (uint32_t i = 0; i < record.note_count; ++i) record.notes[i] = random.next();
  const log::RecordImage image = log::image_of(record);
  std::vector<uint64_t> words(std::begin(image.head), std::end(image.head));
  words.insert(words.end(), image.changes.begin(), image.changes.end());
  words.insert(words.end(), image.notes.begin(), image.notes.end());
  return words;
}

}  // namespace casbook::test
