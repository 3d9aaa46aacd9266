// What the words of the book's cells mean. Part of the arena format.
#pragma once

#include "commit/store.h"

namespace casbook::book {

using commit::Unit;

// The book cell (15 words).
enum BookWord : uint32_t { kAccountsOpened = 0, kLedgersOpened = 1, kHorizon = 2 };

// A ledger (7 words).
enum LedgerWord : uint32_t {
  kLedgerInfo = 0,  // 1 | scale << 8 | name bytes << 16; 0 = not opened
  kLedgerName = 1,  // 2 words
};

// A directory bucket (15 words): 7 entries {hash of the id, account index + 1}. Entries are never
// removed, so a full bucket stays full and a look-up goes on exactly past full ones.
constexpr uint32_t kDirectoryEntries = 7;
constexpr uint32_t kDirectoryChainMax = 32;

// An account's hot cell (3 words: one cache line). An ordinary payment touches nothing else of it.
enum AccountWord : uint32_t { kAvailable = 0, kHeld = 1, kTraits = 2 };

// Traits: ledger in the low 16 bits, flags above; 0 = never opened. A limit of zero, the common
// one, stands in the flags, so that the profile is not read for it.
enum Trait : uint64_t {
  kLedgerMask = 0xffff,
  kOpened = 1 << 16,
  kClosed = 1 << 17,
  kHasMin = 1 << 18,
  kMinIsZero = 1 << 19,
  kHasMax = 1 << 20,
};

// An account's profile (15 words): what a payment seldom needs.
enum ProfileWord : uint32_t {
  kIdInfo = 0,    // 1 | id kind << 8 | id bytes << 16 | code << 32
  kIdWords = 1,   // 5 words
  kMinAvailable = 6,
  kMaxAvailable = 7,
  kUserData = 8,  // 2 words
  kOpenedMs = 10,
};

// A bucket of payment ids (15 words): OVER, GONE and the summary share the first cache line with the
// cell's state, each entry has a line of its own, so a new id touches two lines. See payment_ids.h.
enum BucketWord : uint32_t {
  kOver = 0,     // ms: newest id that ever went past this bucket while it was full; 0 = none
  kGone = 1,     // ms: newest id evicted from here or forgotten by clearing OVER
  kSummary = 2,  // 3 fingerprints of 16 bits; 0 = free entry, 0xffff = continuation of another
  kEntries = 3,  // 3 entries of 4 words
};
constexpr uint32_t kBucketEntries = 3;
constexpr uint32_t kBucketWordsUsed = 15;
enum IdEntryWord : uint32_t { kIdLow = 0, kIdHigh = 1, kIdAnswer = 2, kIdContent = 3, kIdEntryWords = 4 };

class Tables {
 public:
  explicit Tables(const commit::Store& store);

  Unit book() const { return book_; }
  Unit ledger(uint64_t index) const { return ledgers_ + index * 2; }
  Unit directory(uint64_t bucket) const { return directory_ + bucket * 4; }
  Unit account(uint64_t index) const { return accounts_ + index; }
  Unit profile(uint64_t index) const { return profiles_ + index * 4; }
  Unit payments(uint64_t bucket) const { return payments_ + bucket * 4; }

  uint64_t ledger_count() const { return ledger_count_; }
  uint64_t directory_buckets() const { return directory_buckets_; }
  uint64_t account_count() const { return account_count_; }
  uint64_t payment_buckets() const { return payment_buckets_; }
  // The account whose hot cell is `unit`, or UINT64_MAX.
  uint64_t account_of(Unit unit) const {
    return unit - accounts_ < account_count_ ? unit - accounts_ : UINT64_MAX;
  }

 private:
  Unit book_, ledgers_, directory_, accounts_, profiles_, payments_;
  uint64_t ledger_count_, directory_buckets_, account_count_, payment_buckets_;
};

}  // namespace casbook::book
