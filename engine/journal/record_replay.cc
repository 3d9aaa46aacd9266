#include "journal/record_replay.h"

#include <algorithm>

namespace casbook::journal {

namespace {

using commit::Mode;
using commit::Unit;

constexpr uint32_t kChangeWords = sizeof(log::Change) / sizeof(uint64_t);

uint32_t change_count(const uint64_t* words) { return words[1] >> 40 & 0xff; }

log::Change change_at(const uint64_t* words, uint32_t index) {
  const uint64_t* const change = words + log::kRecordHeadWords + kChangeWords * index;
  return {change[0], change[1], change[2], change[3]};
}

// Words 0 to 2 share their cell's first line.
constexpr uint32_t kWordsInFirstLine = 3;

void prefetch_record(const uint64_t* words, const RebuiltCells& cells) {
  const uint32_t count = change_count(words);
  Unit last = UINT64_MAX;
  for (uint32_t i = 0; i < count; ++i) {
    const log::Change change = change_at(words, i);
    if (!change.writes()) continue;
    if (change.unit() != last) cells.prefetch(change.unit());
    if (change.word() >= kWordsInFirstLine) cells.prefetch(change.unit(), change.word());
    last = change.unit();
  }
}

// The length of the record that `words` begins with; 0: none does.
uint32_t length_of(std::span<const uint64_t> words) {
  const uint32_t count = words.size() >= log::kRecordHeadWords ? log::encoded_words(words[1]) : 0;
  return count <= words.size() ? count : 0;
}

// The cells of records some way ahead come while those of this one are changed.
class Prefetcher {
 public:
  Prefetcher(std::span<const uint64_t> words, const RebuiltCells* cells)
      : words_(words), cells_(cells) {
    constexpr uint32_t kRecordsAhead = 8;
    for (uint32_t i = 0; i < kRecordsAhead; ++i) advance();
  }
  void advance() {
    const uint32_t count = cells_ ? length_of(words_) : 0;
    if (count == 0) return;
    prefetch_record(words_.data(), *cells_);
    words_ = words_.subspan(count);
  }

 private:
  std::span<const uint64_t> words_;
  const RebuiltCells* cells_;
};

bool is_position(Position position, uint64_t lsn, uint64_t term) {
  return position.lsn() == lsn && position.term() != 0 && position.term() <= kTermMax &&
         (term == 0 || position.term() == term);
}

// Null, or what is wrong with it.
const char* take_record(const uint64_t* words, const RecordRun& run, const CellMap& map,
                        const RebuiltCells* cells, RunResult& result) {
  const Position position{words[2]};
  if (!is_position(position, result.lsn, run.term)) return "a record of another position";
  result.last_position = position.value;
  if (result.lsn < run.from_lsn) return nullptr;
  ++result.applied;
  result.newest_ms = std::max(result.newest_ms, words[3]);
  if (static_cast<log::Kind>(words[1] >> 32 & 0xff) == log::Kind::open)
    result.terms.push_back(position);
  return replay_record(words, map, cells);
}

}  // namespace

RunResult replay_run(const RecordRun& run, const CellMap& map, const RebuiltCells* cells) {
  RunResult result{.lsn = run.first_lsn, .terms = {}};
  std::span<const uint64_t> words = run.words;
  Prefetcher prefetcher(words, cells);
  for (uint64_t i = 0; i < run.count; ++i, ++result.lsn) {
    const uint32_t count = length_of(words);
    const bool is_whole = count != 0 && log::is_record(words.first(count));
    const auto behind = words.subspan(count);
    prefetcher.advance();
    result.fault = is_whole ? take_record(words.data(), run, map, cells, result)
                            : "no record, or its checksum does not fit";
    if (result.fault) return result;
    words = behind;
  }
  if (!words.empty()) result.fault = "more than the records that it should hold";
  return result;
}

const char* replay_record(const uint64_t* words, const CellMap& map, const RebuiltCells* cells) {
  const uint64_t version = words[2];
  const uint32_t count = change_count(words);
  Unit last = UINT64_MAX;
  uint32_t last_words = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const log::Change change = change_at(words, i);
    if (!change.writes()) continue;
    if (change.unit() != last) {
      if (cells && last != UINT64_MAX) cells->raise_state(last, version);
      last = change.unit();
      last_words = map.words_of(last);
    }
    if (change.word() >= last_words) return "a record that names a cell which is not there";
    if (cells) cells->raise_word(last, change.word(), change.new_value, version);
  }
  if (cells && last != UINT64_MAX) cells->raise_state(last, version);
  return nullptr;
}

}  // namespace casbook::journal
