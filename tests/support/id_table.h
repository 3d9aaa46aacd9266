// The table of payment ids, looked at from below: which buckets an id may reach, and what stands in
// them.
#pragma once

#include <memory>
#include <vector>

#include "arena/arena.h"
#include "base/hash.h"
#include "book/layout.h"
#include "book/payment_ids.h"
#include "commit/executor.h"
#include "commit/read.h"
#include "support/small_book.h"

namespace casbook::test_support {

class IdTable {
 public:
  explicit IdTable(const SmallBook& book)
      : mapping_(must(arena::attach(book.directory.path(), "book", arena::Access::read_write))),
        store(*mapping_),
        tables(store) {}

  uint64_t bucket(const PaymentId& id, uint32_t k) const {
    const book::PaymentIds ids(store, tables);
    book::PaymentIds::Key key;
    ids.make_key(id, key);
    return (ids.bucket(key, k) - tables.payments(0)) / 4;
  }
  uint64_t word(uint64_t bucket, book::BucketWord which) const {
    return commit::peek_word(store, tables.payments(bucket), which).value;
  }
  uint64_t over(uint64_t bucket) const { return word(bucket, book::kOver); }
  uint64_t gone(uint64_t bucket) const { return word(bucket, book::kGone); }
  int64_t horizon_ms() const {
    return static_cast<int64_t>(commit::peek_word(store, tables.book(), book::kHorizon).value);
  }
  // The bucket in which `id` stands, by the low word of its entry. UINT64_MAX: in none.
  uint64_t find(const PaymentId& id) const {
    for (uint64_t b = 0; b < tables.payment_buckets(); ++b)
      for (uint32_t e = 0; e < book::kBucketEntries; ++e) {
        const uint32_t at = book::kEntries + e * book::kIdEntryWords;
        const bool is_used = (word(b, book::kSummary) >> (16 * e) & 0xffff) != 0;
        const auto low = commit::peek_word(store, tables.payments(b), at + book::kIdLow);
        const auto high = commit::peek_word(store, tables.payments(b), at + book::kIdHigh);
        if (is_used && low.value == id.value.words()[0] && high.value == id.value.words()[1])
          return b;
      }
    return UINT64_MAX;
  }

 private:
  std::unique_ptr<arena::Mapping> mapping_;

 public:
  commit::Store store;
  book::Tables tables;
};

}  // namespace casbook::test_support
