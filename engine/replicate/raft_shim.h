// libraft in plain C: its header does not compile as C++ (D5, see README.md).
//
// No rule and no guard is here, only what crosses the border: events in, updates out, and who frees
// what libraft allocates.
//
// Not thread-safe. An update is valid until the next event of the same node.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct RaftShim;

struct RaftShimServer {
  uint64_t id;
  const char* address;
  bool is_voter;  // else a stand-by
};
// Copied where it is passed in.
struct RaftShimConfiguration {
  const struct RaftShimServer* servers;
  unsigned count;
};

enum RaftShimEntryType { kRaftShimRecords = 1, kRaftShimBarrier = 2, kRaftShimChange = 3 };
struct RaftShimEntry {
  uint64_t term;
  enum RaftShimEntryType type;
  const struct RaftShimConfiguration* change;  // of a change, else null
};

enum RaftShimMessageType {
  kRaftShimAppendEntries = 1,
  kRaftShimAppendResult = 2,
  kRaftShimVoteRequest = 3,
  kRaftShimVoteResult = 4,
  kRaftShimInstallSnapshot = 5,
  kRaftShimTimeoutNow = 6,
};
// Every field of every message; those that a type does not have are 0.
struct RaftShimMessage {
  enum RaftShimMessageType type;
  uint64_t node;  // from or to
  uint8_t version;
  bool disrupt_leader, is_pre_vote, is_granted;
  uint16_t features, capacity;
  uint32_t count;  // entries behind prev_index
  uint64_t term, prev_index, prev_term, commit;
  uint64_t rejected, last_index, last_term, candidate;
};

enum RaftShimState { kRaftShimFollower = 1, kRaftShimCandidate = 2, kRaftShimLeader = 3 };

// 0, or one of these.
enum RaftShimStatus {
  kRaftShimOk = 0,
  kRaftShimNoMemory,
  kRaftShimNotLeader,
  kRaftShimChangePending,  // one change of configuration at a time
  kRaftShimContradiction,  // a committed entry differs from the leader's
  kRaftShimInvalid,
};

// What an event brought about.
struct RaftShimUpdate {
  bool has_term_or_vote;
  uint64_t first_index;  // of the entries to persist; what the log has from there on goes
  unsigned entries;
  unsigned messages;
};

struct RaftShimOptions {
  uint64_t id;
  uint32_t election_timeout_ms, heartbeat_ms, inflight_max, seed;
};
// Null: no memory.
struct RaftShim* raft_shim_create(const struct RaftShimOptions* options);
void raft_shim_destroy(struct RaftShim* shim);

struct RaftShimStart {
  uint64_t term, voted_for;
  uint64_t base_index, base_term;                   // 0: none
  const struct RaftShimConfiguration* base_change;  // as of base_index
  const struct RaftShimEntry* entries;              // behind it
  unsigned count;
};
// Events. `now_ms` never falls. `update` is filled in unless the status says otherwise.
int raft_shim_start(struct RaftShim* shim, const struct RaftShimStart* start, uint64_t now_ms,
                    struct RaftShimUpdate* update);
int raft_shim_receive(struct RaftShim* shim, const struct RaftShimMessage* message,
                      const struct RaftShimEntry* entries, uint64_t now_ms,
                      struct RaftShimUpdate* update);
// The same for a request for its vote, whatever this node is in the configuration that it has.
int raft_shim_receive_as_voter(struct RaftShim* shim, const struct RaftShimMessage* message,
                               uint64_t now_ms, struct RaftShimUpdate* update);
int raft_shim_persisted(struct RaftShim* shim, uint64_t index, uint64_t now_ms,
                        struct RaftShimUpdate* update);
int raft_shim_timeout(struct RaftShim* shim, uint64_t now_ms, struct RaftShimUpdate* update);
int raft_shim_submit(struct RaftShim* shim, const struct RaftShimEntry* entry, uint64_t now_ms,
                     struct RaftShimUpdate* update);
int raft_shim_transfer(struct RaftShim* shim, uint64_t to, uint64_t now_ms,
                       struct RaftShimUpdate* update);
// The change at `index` is committed.
int raft_shim_changed(struct RaftShim* shim, uint64_t index,
                      const struct RaftShimConfiguration* configuration, uint64_t now_ms,
                      struct RaftShimUpdate* update);
int raft_shim_compacted(struct RaftShim* shim, uint64_t index, uint64_t term, uint64_t now_ms,
                        struct RaftShimUpdate* update);

// The message at that place of the last update.
void raft_shim_message(const struct RaftShim* shim, unsigned place, struct RaftShimMessage* out);

enum RaftShimState raft_shim_state(const struct RaftShim* shim);
uint64_t raft_shim_term(const struct RaftShim* shim);
uint64_t raft_shim_voted_for(const struct RaftShim* shim);
uint64_t raft_shim_leader(const struct RaftShim* shim);  // 0: unknown, or being transferred
uint64_t raft_shim_commit_index(const struct RaftShim* shim);
uint64_t raft_shim_deadline_ms(const struct RaftShim* shim);
uint64_t raft_shim_match_index(const struct RaftShim* shim, uint64_t node);  // 0: not leader
// Of a candidate: asks for votes, not only whether it would get them.
bool raft_shim_is_standing(const struct RaftShim* shim);
// 0: leads not, or hands over to nobody.
uint64_t raft_shim_transferee(const struct RaftShim* shim);
// A follower whose leader is silent knows none.
void raft_shim_forget_leader(struct RaftShim* shim);
// Lets a candidate begin its next election by asking whether it would get the votes.
void raft_shim_back_to_pre_vote(struct RaftShim* shim);

#ifdef __cplusplus
}
#endif
