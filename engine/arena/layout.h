// The arena: one shared-memory file, /dev/shm/casbook.BOOK. Header page, then regions.
//
//  page 0     FixedHeader (written once at creation, checksummed) and the control lines
//  regions    each page-aligned; offsets and sizes stand in the fixed header
//
// All references inside are indices or offsets: processes map it at different addresses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/atomic.h"
#include "base/limits.h"

namespace casbook::arena {

constexpr uint64_t kMagic = 0x6b6f6f6273616300;  // "\0casbook", little-endian
// Bump when the meaning or place of any shared byte changes.
constexpr uint32_t kFormatVersion = 7;
constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kHugePageBytes = 2 * 1024 * 1024;

enum class Region : uint32_t {
  attachments,   // arena: AttachmentSlot per process
  sessions,      // arena: SessionSlot per session
  events,        // arena: EventLine, futex event counts
  followers,     // log: FollowerSlot per registered follower
  log_slots,     // commit: {lsn, ref} per retained LSN: the claim of a slot is the commit
  record_index,  // commit: {lsn, where} per retained LSN: where the copied record lies
  descriptors,   // commit: kDescriptorsPerSession per session
  block_states,  // log: one word per block: who may write it, the newest LSN in it
  blocks,        // log: the bytes of copied records
  cells,         // commit: 64-byte units; the tables of book and lease, see CellTable
  count
};
constexpr uint32_t kRegionCount = static_cast<uint32_t>(Region::count);

// The tables inside the cells region: first unit (64 bytes) and number of cells.
enum class CellTable : uint32_t {
  book,       // 1 cell of 256 bytes: counters, horizon
  ledgers,    // 128 bytes each
  directory,  // 256 bytes each: account id -> account
  accounts,   // 64 bytes each: available, held, profile
  profiles,   // 256 bytes each: id, limits, code, user data
  payments,   // 256 bytes each: buckets of payment ids
  leases,     // 512 bytes each
  count
};
constexpr uint32_t kCellTableCount = static_cast<uint32_t>(CellTable::count);

struct RegionExtent {
  uint64_t offset, bytes;
};
struct CellTableExtent {
  uint64_t first_unit, count;  // count in cells of that table
};

// The limits given at creation, as numbers; read by every layer, never changed.
struct Geometry {
  uint64_t accounts, payments, leases, ledgers;
  uint64_t sessions, attachments, records, blocks;  // records: slots of the log ring, a power of 2
  uint64_t window_ms;
  uint64_t hash_seed;  // of every bucket choice, so that chosen keys cannot share a chain
  uint64_t block_bytes;
  uint64_t reserved[1];
};

static_assert(sizeof(RegionExtent) == 16 && sizeof(CellTableExtent) == 16);
static_assert(sizeof(Geometry) == 96 && offsetof(Geometry, records) == 48);
static_assert(offsetof(Geometry, hash_seed) == 72 && offsetof(Geometry, block_bytes) == 80);
static_assert(kRegionCount == 10 && kCellTableCount == 7);

// Written once, before the file gets its name. Who reads: everybody, at attach.
struct FixedHeader {
  uint64_t magic;
  uint32_t format_version;
  uint32_t header_bytes;  // sizeof(FixedHeader)
  uint64_t file_bytes;
  uint64_t incarnation;  // random: tells this file from every other
  uint64_t created_ms;
  uint8_t book_name[kBookNameBytesMax];
  Geometry geometry;
  RegionExtent regions[kRegionCount];
  CellTableExtent cell_tables[kCellTableCount];
  uint64_t checksum;  // XXH3 of all bytes above
};
static_assert(std::is_standard_layout_v<FixedHeader> && std::is_trivially_copyable_v<FixedHeader>);
static_assert(std::has_unique_object_representations_v<FixedHeader>);
static_assert(offsetof(FixedHeader, book_name) == 40 && offsetof(FixedHeader, geometry) == 104);
static_assert(offsetof(FixedHeader, regions) == 200 && sizeof(FixedHeader) == 480);
static_assert(offsetof(FixedHeader, format_version) == 8 && offsetof(FixedHeader, file_bytes) == 16);
static_assert(offsetof(FixedHeader, cell_tables) == 360 && offsetof(FixedHeader, checksum) == 472);

// What changes while the book lives, a cache line each. Writer: any session, by CAS.
struct ControlLines {
  alignas(64) base::AtomicU64 tail;          // every LSN below is decided; a hint that only grows
  alignas(64) base::AtomicU64 gate;          // epoch << 1 | open
  alignas(64) base::AtomicPair retention;    // {floor, keep}: LSNs, see commit/retention.h
  // ms: the newest wall clock that any commit has seen; raised by CAS, see book_time.cc [time]
  alignas(64) base::AtomicU64 book_time;
  alignas(64) base::AtomicU64 block_cursor;  // where the search for a free block goes on
  alignas(64) base::AtomicU64 takeovers;     // attachments taken over so far
  // The last epoch that a quarantine shut, or is about to; only grows: why the gate is shut.
  alignas(64) base::AtomicU64 quarantine;
  // The journal that keeps this book: {its id, the last term that it has promised}; {0, 0}: none. No
  // term is opened that was not promised before. Writer: its daemon.
  alignas(64) base::AtomicPair journal;
  base::AtomicU64 durable;                   // position up to which everything is synced; only grows
  // Where terms began: entry t % 64 is the position of OPEN(t), for the last 64 terms. See log/terms.h.
  alignas(64) base::AtomicU64 term_starts[kTermStarts];
};
static_assert(std::is_standard_layout_v<ControlLines> && sizeof(ControlLines) == 16 * 64);
static_assert(offsetof(ControlLines, journal) == 448 && offsetof(ControlLines, durable) == 464);
static_assert(offsetof(ControlLines, term_starts) == 512);
static_assert(alignof(ControlLines) == 64 && offsetof(ControlLines, tail) == 0);
static_assert(offsetof(ControlLines, gate) == 64 && offsetof(ControlLines, retention) == 128);
static_assert(offsetof(ControlLines, book_time) == 192);
static_assert(offsetof(ControlLines, block_cursor) == 256);
static_assert(offsetof(ControlLines, takeovers) == 320);
static_assert(offsetof(ControlLines, quarantine) == 384);

constexpr uint64_t kControlOffset = 1024;
static_assert(sizeof(FixedHeader) <= kControlOffset);
static_assert(kControlOffset + sizeof(ControlLines) <= kPageBytes);

// Durations by powers of two: bucket i counts those below 2^i units, the last one all others. The
// unit is the line's: a microsecond unless noted.
constexpr uint32_t kDurationBuckets = 24;
struct DurationLine {
  base::AtomicU64 buckets[kDurationBuckets];
  base::AtomicU64 count, sum_us;
};

enum class JournalState : uint64_t { none = 0, serving = 1, stopped = 2, no_space = 3, failed = 4 };

// What the daemon that keeps the journal says of itself, for people and metrics; and what it is
// asked to do. Plain statistics: nothing is decided by them but `state`, of which a stale value
// costs a caller its time-out. Writer: the daemon, unless noted.
struct JournalLines {
  alignas(64) base::AtomicU64 state;          // JournalState
  base::AtomicU64 error_code;                 // Code of the failure, of no_space and failed
  base::AtomicU64 pid, started_ms;
  base::AtomicU64 segments, journal_bytes;    // that are kept
  base::AtomicU64 entries, bytes_written;     // since the daemon was started
  alignas(64) base::AtomicU64 checkpoint_position;  // of the last checkpoint
  base::AtomicU64 checkpoint_ms, checkpoint_bytes, checkpoint_took_ms;
  // A checkpoint is wanted as long as these differ. Writer of the first: whoever asks, by CAS.
  base::AtomicU64 checkpoint_asked, checkpoint_answered;
  base::AtomicU64 checkpoint_failures;
  base::AtomicU64 reserved;
  DurationLine sync;                          // of one sync of the disk
  DurationLine wait;                          // of callers for `durable`; writer: callers
  base::AtomicU64 directory[60];              // absolute path of the journal, zero-filled
};
static_assert(std::is_standard_layout_v<JournalLines> &&
              std::has_unique_object_representations_v<JournalLines>);
static_assert(offsetof(JournalLines, checkpoint_position) == 64);
static_assert(offsetof(JournalLines, sync) == 128 && offsetof(JournalLines, wait) == 336);
static_assert(offsetof(JournalLines, directory) == 544);

constexpr uint64_t kJournalOffset = kControlOffset + sizeof(ControlLines);

// none: no cluster keeps this book. sealed: it led, and a successor is being built. quarantined: it
// neither follows nor leads until it is destroyed and built again.
enum class ReplicaRole : uint64_t {
  none = 0,
  following = 1,
  leading = 2,
  sealed = 3,
  quarantined = 4
};
constexpr uint32_t kNodesMax = 7;
enum class MemberRole : uint64_t { voter = 0, standby = 1, joining = 2, none = 3 };

// A node of the cluster, this one too. Statistics, but id.
struct NodeLine {
  base::AtomicU64 id;        // 0: no such line
  base::AtomicU64 received;  // position that it has in memory
  base::AtomicU64 synced;    // position that it has on disk
  base::AtomicU64 heard_ms;  // wall clock
};

// What a cluster's daemon tells those who pay, wait and look on. Writer: the daemon, unless noted.
struct ReplicationLines {
  // Read by every commit. CLOCK_MONOTONIC, ns: past it this host's sessions refuse with not_leader;
  // 0: no cluster, never. A courtesy: safety is the claim, the position and the majority.
  alignas(64) base::AtomicU64 leading_until_ns;
  base::AtomicU64 retired;       // 1: another file has, or is about to have, this book's name
  base::AtomicU64 role;          // ReplicaRole
  base::AtomicU64 cluster, node;
  base::AtomicU64 leader, leader_term;  // 0: not known
  // The position at which this book was found to be another than the cluster's, 0: it was not. Reads
  // are refused then.
  base::AtomicU64 diverged;
  alignas(64) base::AtomicU64 quorum;   // position that a majority has in memory; only grows
  // Rounds of asking the majority whether this node leads. Writer of the first: whoever asks.
  base::AtomicU64 confirm_asked, confirmed;
  base::AtomicU64 elections, step_downs;
  base::AtomicU64 datagrams_sent, datagrams_received, bytes_sent;
  alignas(64) base::AtomicU64 leader_address[8];  // text, zero-filled
  NodeLine nodes[kNodesMax];
  base::AtomicU64 bytes_received, payload_sent, repairs_asked, repairs_sent, repair_bytes;
  base::AtomicU64 dropped_forged, dropped_replayed, dropped_foreign, dropped_malformed;
  base::AtomicU64 unicast_fallback;     // 1: multicast is silent, data goes to each node by itself
  base::AtomicU64 dropped_newer;        // of a version that this daemon does not know
  base::AtomicU64 datagram_bytes;       // as large as the paths to all nodes let pass
  DurationLine wait;                    // of callers for `quorum`; writer: callers
  base::AtomicU64 digests;              // of the leader, that this book was compared with or made
  base::AtomicU64 digest_position;      // of the last of these that was equal, or was made
  base::AtomicU64 member_roles;         // MemberRole of nodes[i]: bits 4i .. 4i + 3
  base::AtomicU64 refused_disks;        // nodes met with another disk than their id had before
  base::AtomicU64 reserved_tail[2];
};
static_assert(std::is_standard_layout_v<ReplicationLines> &&
              std::has_unique_object_representations_v<ReplicationLines>);
static_assert(offsetof(ReplicationLines, quorum) == 64);
static_assert(offsetof(ReplicationLines, leader_address) == 128);
static_assert(offsetof(ReplicationLines, nodes) == 192);
static_assert(offsetof(ReplicationLines, bytes_received) == 416);
static_assert(offsetof(ReplicationLines, wait) == 512 && sizeof(ReplicationLines) == 768);

constexpr uint64_t kReplicationOffset = kJournalOffset + sizeof(JournalLines);

// How long commits take, by sample. Unit: 32 ns. Writer: sessions.
struct CommitTimeLines {
  alignas(64) DurationLine pay;  // one payment, without waiting for a level
  base::AtomicU64 reserved[6];
};
constexpr uint64_t kCommitTimeOffset = kReplicationOffset + sizeof(ReplicationLines);
static_assert(std::is_standard_layout_v<CommitTimeLines>);
static_assert(sizeof(DurationLine) == 208 && sizeof(CommitTimeLines) == 256);
static_assert(kCommitTimeOffset + sizeof(CommitTimeLines) <= kPageBytes);

}  // namespace casbook::arena
