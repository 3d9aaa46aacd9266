// A second arena of the same shape as a book's, empty, to rebuild the book in; and what rebuilding
// needs: the records of the book's ring, the journal that they make, and a comparison of all cells.
#pragma once

#include <string>
#include <vector>

#include "journal/checkpoint.h"
#include "log/record.h"
#include "support/small_book.h"

namespace casbook::test_support {

class Twin {
 public:
  explicit Twin(const arena::Mapping& of);
  const commit::Store& store() const { return *store_; }
  const arena::Mapping& mapping() const { return *mapping_; }
  // As freshly formatted.
  void clear();

 private:
  ScratchDirectory directory_;
  std::unique_ptr<arena::Mapping> mapping_;
  std::optional<commit::Store> store_;
};

// A book under the names that these tests use, looked at from below.
class OpenArena {
 public:
  explicit OpenArena(const SmallBook& book)
      : mapping_(must(arena::attach(book.directory.path(), "book", arena::Access::read_write))),
        store_(*mapping_) {}
  const commit::Store& store() const { return store_; }
  const arena::Mapping& mapping() const { return *mapping_; }

 private:
  std::unique_ptr<arena::Mapping> mapping_;
  commit::Store store_;
};

// The cells of `rebuilt`, byte for byte, against what can be read of the living book. Empty: equal.
std::string first_difference(const commit::Store& living, const commit::Store& rebuilt);

using EncodedRecords = std::vector<std::vector<uint64_t>>;
// Those of [from, to) that the ring holds; all of them have to be there.
EncodedRecords records_of(const commit::Store& store, uint64_t from, uint64_t to);
void apply_all(const commit::Store& store, const EncodedRecords& records);

constexpr uint64_t kTestJournalId = 0x1234567890abcdef;
// Of that book, with its ring in place of a journal.
journal::CheckpointRequest checkpoint_request(const commit::Store& store);

// A journal of these records, `per_entry` in an entry and `per_segment` entries in a segment. Before
// them come `barriers` segments with an entry each that has no record.
struct JournalCut {
  uint64_t per_entry = 7, per_segment = 5, barriers = 0;
};
void write_segments(journal::Storage& storage, const arena::Mapping& book,
                    const EncodedRecords& records, const JournalCut& cut = {});

}  // namespace casbook::test_support
