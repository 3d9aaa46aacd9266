// A journal written by the book (its FORMAT.md), without the code that writes journals: files of
// known content, to be read, spoiled and mixed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "journal/format.h"
#include "support/random.h"

namespace casbook::test {

struct JournalPlan {
  uint64_t journal_id = 1;
  uint64_t seed = 1;
  uint64_t entries = 40;
  uint64_t entries_per_segment = 12;
  // Behind this entry its records are drawn from another seed: two journals of one id and seed are
  // the same up to there, as where a tail was lost and written anew.
  uint64_t fork_at = UINT64_MAX, fork_seed = 0;
  // So many entries at the end were not synced yet when the last was written.
  uint64_t unsynced_max = 2;
};

constexpr uint64_t kTestSegmentBytes = 64 * journal::kBlockBytes;

struct WrittenEntry {
  std::vector<std::byte> bytes;  // header and body
  uint64_t segment = 0, offset = 0;
};

struct JournalFiles {
  std::map<std::string, std::vector<std::byte>> files;
  std::vector<WrittenEntry> entries;  // by index - 1
};
JournalFiles write_journal(const JournalPlan& plan);

// The words of a record with a right checksum and changes to any cells below `units`.
std::vector<uint64_t> random_record(Random& random, Position position, uint64_t units);

}  // namespace casbook::test
