// Every limit of casbook, with unit and reason.
#pragma once

#include <cstdint>

namespace casbook {

// Positions: 16 bits of term, 48 bits of LSN. The top bit of a cell's state tells a version from a
// reference, so a term has 15 bits. 2^48 commits at 1 M/s last 8.9 years.
constexpr uint64_t kLsnBits = 48;
constexpr uint64_t kTermMax = (1u << 15) - 1;

// A reference to a descriptor instance is 1 | seq:50 | session:10 | descriptor:3. With 8
// descriptors per session and 70 ns per commit the sequence wraps after 2^50 * 8 * 70 ns = 20 years
// of one session slot, and a late reference would have to sleep for an exact multiple of that.
constexpr uint64_t kSessionBits = 10;
constexpr uint64_t kDescriptorBits = 3;
constexpr uint64_t kSequenceBits = 50;
static_assert(1 + kSequenceBits + kSessionBits + kDescriptorBits == 64);
constexpr uint32_t kSessionsMax = 1u << kSessionBits;
constexpr uint32_t kDescriptorsPerSession = 1u << kDescriptorBits;

// One commit: 8 accounts in the slow lane (add, check of the flags, guard of the limits), 4 leases,
// and an id with its chain of buckets: 24 + 4 + (4 + 4 + summary + OVER + GONE + 7 others) = 46.
constexpr uint32_t kEntriesMax = 48;
constexpr uint32_t kNoteWordsMax = 32;     // what a record says beside its entries
constexpr uint32_t kCellWordsMax = 31;     // the widest cell, a lease: 512 bytes
constexpr uint32_t kPostingsMin = 2;
constexpr uint32_t kPostingsMax = 8;
constexpr uint32_t kGuardsMax = 4;

// The tail may lag the log by this many slots; longer scans help to move it.
constexpr uint64_t kTailLagMax = 16;
// Looks at something that does not move, before it is taken for damaged. Sound ones need a few.
constexpr uint32_t kIdleRoundsMax = 100;
// Pauses before a taken cell is helped: about the time a live owner needs to finish.
constexpr uint32_t kSpinsBeforeHelping = 64;
// Log slots kept free before the ring laps what is retained, see commit/retention.h: one claim in
// flight per session, the lag of the tail, some marks.
constexpr uint64_t log_margin(uint64_t sessions) { return 2 * sessions + kTailLagMax + 8; }
constexpr uint64_t kRecordsMax = 1ull << 32;

constexpr uint64_t kBlockBytesDefault = 16 * 1024;  // a session's unit of room for copied records
constexpr uint32_t kFollowersMax = 16;
constexpr uint32_t kAttachmentsMax = 1024;
constexpr uint32_t kEventLines = 256;        // waiting: leases are hashed onto these
constexpr uint32_t kTermStarts = 64;         // terms of which is remembered where they began

constexpr uint32_t kIdBytesMax = 40;         // an IBAN has up to 34
constexpr uint32_t kLeaseNameBytesMax = 64;
constexpr uint32_t kLedgerNameBytesMax = 16;
constexpr uint32_t kLedgersMax = 4096;
constexpr uint32_t kScaleMax = 18;           // 10^18 minor units fit into 63 bits
constexpr uint32_t kBookNameBytesMax = 64;
constexpr uint64_t kAccountsMax = 1ull << 28;
constexpr uint64_t kPaymentsMax = 1ull << 32;
constexpr uint64_t kLeasesMax = 1ull << 24;
constexpr uint64_t kLeaseCountMax = 65'535;  // entries of its owner: more is a loop that never leaves
constexpr int64_t kLeaseTtlMsMax = 24ll * 3600 * 1000;

// Buckets a payment id may reach. With 3 entries each, filled to 25 %: 0 refused in 6 M insertions
// (with 4 buckets 8 of 6 M; with neighbours instead of a stride 117).
constexpr uint32_t kIdChainMax = 8;
constexpr int64_t kFutureToleranceMs = 60'000;

}  // namespace casbook
