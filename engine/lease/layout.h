// What the words of a lease's cell mean (31 words, 512 bytes). Part of the arena format.
#pragma once

#include "arena/attachment.h"
#include "commit/store.h"

namespace casbook::lease {

using commit::Unit;

// The first cache line is what a guarded payment reads: holder and deadline.
enum Word : uint32_t {
  kHolder = 0,      // 0: free; kDetached; else the AttachmentRef of the owner.
                    // THE TOKEN IS THIS WORD'S VERSION: the position of the grant.
  kDeadline = 1,    // ns on CLOCK_BOOTTIME
  kOwnerId = 2,     // chosen by the caller
  kIncarnation = 3, // of the arena in which the holder is an attachment
  kCount = 4,       // re-entries, 1 for a first grant
  kTtl = 5,         // ns that the holder had when it was last told: its again after a recovery
  kAcquireOperation = 6,
  kReleaseOperation = 7,
  kReleasedToken = 8,   // what kReleaseOperation released
  kReleasedCount = 9,   // and what was left then
  kNameBytes = 10,      // 0: this slot was never used
  kName = 11,           // 8 words
  kInsertions = 19,     // of names whose home is this slot: serialises them
  kWordsUsed = 20,
};

constexpr uint64_t kDetached = UINT64_MAX;

}  // namespace casbook::lease
