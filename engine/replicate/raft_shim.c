#include "raft_shim.h"

#include <assert.h>
#include <raft.h>
#include <stdlib.h>
#include <string.h>

// Peers are known by number; libraft wants an address with each message, and tells a leader from
// none by it.
static const char kNoAddress[] = "-";

struct RaftShim {
  struct raft raft;
  struct raft_update update;
  struct raft_entry* entries;  // of the event, reused
  unsigned capacity;
};

static int status_of(int code) {
  switch (code) {
    case 0:
      return kRaftShimOk;
    case RAFT_NOMEM:
      return kRaftShimNoMemory;
    case RAFT_NOTLEADER:
      return kRaftShimNotLeader;
    case RAFT_CANTCHANGE:
      return kRaftShimChangePending;
    case RAFT_SHUTDOWN:
      return kRaftShimContradiction;
    default:
      return kRaftShimInvalid;
  }
}

// --- configurations ------------------------------------------------------------------------------

static int fill_configuration(struct raft_configuration* out,
                              const struct RaftShimConfiguration* from) {
  raft_configuration_init(out);
  for (unsigned i = 0; i < from->count; ++i) {
    const struct RaftShimServer* server = &from->servers[i];
    const int code = raft_configuration_add(out, server->id, server->address,
                                            server->is_voter ? RAFT_VOTER : RAFT_STANDBY);
    if (code != 0) {
      raft_configuration_close(out);
      return code;
    }
  }
  return 0;
}

static int encode_configuration(struct raft_buffer* out, const struct RaftShimConfiguration* from) {
  struct raft_configuration configuration;
  int code = fill_configuration(&configuration, from);
  if (code != 0) return code;
  code = raft_configuration_encode(&configuration, out);
  raft_configuration_close(&configuration);
  return code;
}

// --- entries -------------------------------------------------------------------------------------

// libraft keeps terms and, of changes, what it decodes; it looks at no other entry's bytes.
static void release_bodies(struct RaftShim* shim, unsigned count) {
  for (unsigned i = 0; i < count; ++i) raft_free(shim->entries[i].buf.base);
}

static int fill_entries(struct RaftShim* shim, const struct RaftShimEntry* from, unsigned count,
                        void* batch) {
  if (count > shim->capacity) {
    struct raft_entry* grown = realloc(shim->entries, count * sizeof *grown);
    if (!grown) return RAFT_NOMEM;
    shim->entries = grown;
    shim->capacity = count;
  }
  for (unsigned i = 0; i < count; ++i) {
    struct raft_entry* entry = &shim->entries[i];
    *entry = (struct raft_entry){.term = from[i].term, .batch = batch};
    entry->type = from[i].type == kRaftShimRecords   ? RAFT_COMMAND
                  : from[i].type == kRaftShimBarrier ? RAFT_BARRIER
                                                     : RAFT_CHANGE;
    if (from[i].type != kRaftShimChange) continue;
    const int code = encode_configuration(&entry->buf, from[i].change);
    if (code != 0) {
      release_bodies(shim, i);
      return code;
    }
  }
  return 0;
}

// --- events --------------------------------------------------------------------------------------

static int step(struct RaftShim* shim, struct raft_event* event, struct RaftShimUpdate* out) {
  struct raft_update* update = &shim->update;
  memset(update, 0, sizeof *update);
  const int code = raft_step(&shim->raft, event, update);
  *out = (struct RaftShimUpdate){0};
  if (code != 0) return code;
  // In brackets: the flags are `1 << n` without any (D8).
  out->has_term_or_vote = (update->flags & ((RAFT_UPDATE_CURRENT_TERM) | (RAFT_UPDATE_VOTED_FOR)));
  if (update->flags & (RAFT_UPDATE_MESSAGES)) out->messages = update->messages.n;
  if (update->flags & (RAFT_UPDATE_ENTRIES)) {
    out->first_index = update->entries.index;
    out->entries = update->entries.n;
    // A barrier that libraft made is ours to free.
    if (update->entries.batch == &shim->raft.barrier) {
      raft_free(shim->raft.barrier.batch);
      shim->raft.barrier.batch = shim->raft.barrier.buf.base = NULL;
    }
  }
  return 0;
}

static struct raft_event event_of(enum raft_event_type type, uint64_t now_ms) {
  struct raft_event event;
  memset(&event, 0, sizeof event);
  event.type = type;
  event.time = now_ms;
  return event;
}

// When it fails, libraft has freed entries and batch of a start; when not, they are ours.
static int start_entries(struct RaftShim* shim, const struct RaftShimStart* start,
                         struct raft_event* event) {
  void* batch = raft_malloc(1);
  struct raft_entry* entries = raft_malloc((start->count + 1) * sizeof *entries);
  int code =
      batch && entries ? fill_entries(shim, start->entries, start->count, batch) : RAFT_NOMEM;
  if (code != 0) {
    raft_free(batch);
    raft_free(entries);
    return code;
  }
  if (start->count) memcpy(entries, shim->entries, start->count * sizeof *entries);
  event->start.entries = entries;
  event->start.n_entries = start->count;
  return 0;
}

int raft_shim_start(struct RaftShim* shim, const struct RaftShimStart* start, uint64_t now_ms,
                    struct RaftShimUpdate* update) {
  struct raft_event event = event_of(RAFT_START, now_ms);
  struct raft_snapshot_metadata base;
  memset(&base, 0, sizeof base);
  event.start.term = start->term;
  event.start.voted_for = start->voted_for;
  event.start.start_index = start->base_index + 1;
  if (start->base_index) {
    const int code = fill_configuration(&base.configuration, start->base_change);
    if (code != 0) return status_of(code);
    base.index = base.configuration_index = start->base_index;
    base.term = start->base_term;
    event.start.metadata = &base;
  }
  if (start->count) {
    const int code = start_entries(shim, start, &event);
    if (code != 0) return raft_configuration_close(&base.configuration), status_of(code);
  }
  struct raft_entry* entries = event.start.entries;
  void* batch = entries ? entries[0].batch : NULL;
  const int code = step(shim, &event, update);
  if (start->count) release_bodies(shim, start->count);
  if (code == 0) {
    raft_free(batch);
    raft_free(entries);
  }
  return status_of(code);
}

static void fill_message(struct raft_message* out, const struct RaftShimMessage* in,
                         struct raft_entry* entries) {
  memset(out, 0, sizeof *out);
  out->server_id = in->node;
  out->server_address = kNoAddress;
  switch (in->type) {
    case kRaftShimAppendEntries:
      out->type = RAFT_APPEND_ENTRIES;
      out->append_entries = (struct raft_append_entries){.version = in->version,
                                                         .term = in->term,
                                                         .prev_log_index = in->prev_index,
                                                         .prev_log_term = in->prev_term,
                                                         .leader_commit = in->commit,
                                                         .entries = entries,
                                                         .n_entries = in->count};
      return;
    case kRaftShimAppendResult:
      out->type = RAFT_APPEND_ENTRIES_RESULT;
      out->append_entries_result =
          (struct raft_append_entries_result){.version = in->version,
                                              .term = in->term,
                                              .rejected = in->rejected,
                                              .last_log_index = in->last_index,
                                              .features = in->features,
                                              .capacity = in->capacity};
      return;
    case kRaftShimVoteRequest:
      out->type = RAFT_REQUEST_VOTE;
      out->request_vote = (struct raft_request_vote){.version = in->version,
                                                     .term = in->term,
                                                     .candidate_id = in->candidate,
                                                     .last_log_index = in->last_index,
                                                     .last_log_term = in->last_term,
                                                     .disrupt_leader = in->disrupt_leader,
                                                     .pre_vote = in->is_pre_vote};
      return;
    case kRaftShimVoteResult:
      out->type = RAFT_REQUEST_VOTE_RESULT;
      out->request_vote_result = (struct raft_request_vote_result){.version = in->version,
                                                                   .term = in->term,
                                                                   .vote_granted = in->is_granted,
                                                                   .pre_vote = in->is_pre_vote,
                                                                   .features = in->features,
                                                                   .capacity = in->capacity};
      return;
    case kRaftShimTimeoutNow:
      out->type = RAFT_TIMEOUT_NOW;
      out->timeout_now = (struct raft_timeout_now){.version = in->version,
                                                   .term = in->term,
                                                   .last_log_index = in->last_index,
                                                   .last_log_term = in->last_term};
      return;
    case kRaftShimInstallSnapshot:
      break;
  }
  assert(false);
}

int raft_shim_receive(struct RaftShim* shim, const struct RaftShimMessage* message,
                      const struct RaftShimEntry* entries, uint64_t now_ms,
                      struct RaftShimUpdate* update) {
  const unsigned count = message->type == kRaftShimAppendEntries ? message->count : 0;
  void* batch = NULL;
  if (count) {
    batch = raft_malloc(1);
    const int code = batch ? fill_entries(shim, entries, count, batch) : RAFT_NOMEM;
    if (code != 0) return raft_free(batch), status_of(code);
  }
  struct raft_message raft_message;
  fill_message(&raft_message, message, shim->entries);
  struct raft_event event = event_of(RAFT_RECEIVE, now_ms);
  event.receive.message = &raft_message;
  const int code = step(shim, &event, update);
  release_bodies(shim, count);
  // Entries that it hands out keep their batch; otherwise, also on failure, libraft freed it.
  if (count && code == 0 && update->entries) raft_free(batch);
  return status_of(code);
}

int raft_shim_receive_as_voter(struct RaftShim* shim, const struct RaftShimMessage* message,
                               uint64_t now_ms, struct RaftShimUpdate* update) {
  struct raft_server self = {
      .id = shim->raft.id, .address = (char*)kNoAddress, .role = RAFT_VOTER};  // read only
  const struct raft_configuration all = shim->raft.configuration;
  shim->raft.configuration = (struct raft_configuration){.servers = &self, .n = 1};
  const int status = raft_shim_receive(shim, message, NULL, now_ms, update);
  shim->raft.configuration = all;
  return status;
}

int raft_shim_persisted(struct RaftShim* shim, uint64_t index, uint64_t now_ms,
                        struct RaftShimUpdate* update) {
  struct raft_event event = event_of(RAFT_PERSISTED_ENTRIES, now_ms);
  event.persisted_entries.index = index;
  return status_of(step(shim, &event, update));
}

int raft_shim_timeout(struct RaftShim* shim, uint64_t now_ms, struct RaftShimUpdate* update) {
  struct raft_event event = event_of(RAFT_TIMEOUT, now_ms);
  return status_of(step(shim, &event, update));
}

int raft_shim_submit(struct RaftShim* shim, const struct RaftShimEntry* entry, uint64_t now_ms,
                     struct RaftShimUpdate* update) {
  // Never freed by libraft here; it only asserts that there is one.
  static char batch;
  int code = fill_entries(shim, entry, 1, &batch);
  if (code != 0) return status_of(code);
  struct raft_event event = event_of(RAFT_SUBMIT, now_ms);
  event.submit.entries = shim->entries;
  event.submit.n = 1;
  code = step(shim, &event, update);
  release_bodies(shim, 1);
  return status_of(code);
}

int raft_shim_transfer(struct RaftShim* shim, uint64_t to, uint64_t now_ms,
                       struct RaftShimUpdate* update) {
  struct raft_event event = event_of(RAFT_TRANSFER, now_ms);
  event.transfer.server_id = to;
  return status_of(step(shim, &event, update));
}

int raft_shim_changed(struct RaftShim* shim, uint64_t index,
                      const struct RaftShimConfiguration* configuration, uint64_t now_ms,
                      struct RaftShimUpdate* update) {
  struct raft_event event = event_of(RAFT_CONFIGURATION, now_ms);
  event.configuration.index = index;
  // libraft closes or keeps it.
  const int code = fill_configuration(&event.configuration.conf, configuration);
  return status_of(code != 0 ? code : step(shim, &event, update));
}

int raft_shim_compacted(struct RaftShim* shim, uint64_t index, uint64_t term, uint64_t now_ms,
                        struct RaftShimUpdate* update) {
  struct raft_event event = event_of(RAFT_SNAPSHOT, now_ms);
  event.snapshot.metadata.index = index;
  event.snapshot.metadata.term = term;
  // With the index that it knows already, libraft keeps the configuration that it has.
  event.snapshot.metadata.configuration_index = shim->raft.configuration_committed_index;
  return status_of(step(shim, &event, update));
}

// --- what comes out ------------------------------------------------------------------------------

void raft_shim_message(const struct RaftShim* shim, unsigned place, struct RaftShimMessage* out) {
  const struct raft_message* in = &shim->update.messages.batch[place];
  *out = (struct RaftShimMessage){.node = in->server_id};
  switch (in->type) {
    case RAFT_APPEND_ENTRIES: {
      const struct raft_append_entries* m = &in->append_entries;
      out->type = kRaftShimAppendEntries;
      out->version = m->version;
      out->term = m->term;
      out->prev_index = m->prev_log_index;
      out->prev_term = m->prev_log_term;
      out->commit = m->leader_commit;
      out->count = m->n_entries;
      return;
    }
    case RAFT_APPEND_ENTRIES_RESULT: {
      const struct raft_append_entries_result* m = &in->append_entries_result;
      out->type = kRaftShimAppendResult;
      out->version = m->version;
      out->term = m->term;
      out->rejected = m->rejected;
      out->last_index = m->last_log_index;
      out->features = m->features;
      out->capacity = m->capacity;
      return;
    }
    case RAFT_REQUEST_VOTE: {
      const struct raft_request_vote* m = &in->request_vote;
      out->type = kRaftShimVoteRequest;
      out->version = m->version;
      out->term = m->term;
      out->candidate = m->candidate_id;
      out->last_index = m->last_log_index;
      out->last_term = m->last_log_term;
      out->disrupt_leader = m->disrupt_leader;
      out->is_pre_vote = m->pre_vote;
      return;
    }
    case RAFT_REQUEST_VOTE_RESULT: {
      const struct raft_request_vote_result* m = &in->request_vote_result;
      out->type = kRaftShimVoteResult;
      out->version = m->version;
      out->term = m->term;
      out->is_granted = m->vote_granted;
      out->is_pre_vote = m->pre_vote;
      out->features = m->features;
      out->capacity = m->capacity;
      return;
    }
    case RAFT_TIMEOUT_NOW: {
      const struct raft_timeout_now* m = &in->timeout_now;
      out->type = kRaftShimTimeoutNow;
      out->version = m->version;
      out->term = m->term;
      out->last_index = m->last_log_index;
      out->last_term = m->last_log_term;
      return;
    }
    case RAFT_INSTALL_SNAPSHOT:
      out->type = kRaftShimInstallSnapshot;
      out->version = in->install_snapshot.version;
      out->term = in->install_snapshot.term;
      out->last_index = in->install_snapshot.last_index;
      out->last_term = in->install_snapshot.last_term;
      return;
  }
}

struct RaftShim* raft_shim_create(const struct RaftShimOptions* options) {
  struct RaftShim* shim = calloc(1, sizeof *shim);
  if (!shim) return NULL;
  if (raft_init(&shim->raft, NULL, NULL, options->id, kNoAddress) != 0) return free(shim), NULL;
  // It formats every step into one static buffer otherwise (D6).
  shim->raft.tracer = NULL;
  raft_seed(&shim->raft, options->seed);
  raft_set_election_timeout(&shim->raft, options->election_timeout_ms);
  raft_set_heartbeat_timeout(&shim->raft, options->heartbeat_ms);
  raft_set_max_inflight_entries(&shim->raft, options->inflight_max);
  raft_set_pre_vote(&shim->raft, true);
  // A snapshot is a word here, not a transfer: said again to whoever is still behind (D20).
  raft_set_install_snapshot_timeout(&shim->raft, options->election_timeout_ms);
  return shim;
}

void raft_shim_destroy(struct RaftShim* shim) {
  if (!shim) return;
  raft_close(&shim->raft, NULL);
  free(shim->entries);
  free(shim);
}

enum RaftShimState raft_shim_state(const struct RaftShim* shim) {
  switch (shim->raft.state) {
    case RAFT_LEADER:
      return kRaftShimLeader;
    case RAFT_CANDIDATE:
      return kRaftShimCandidate;
    default:
      return kRaftShimFollower;
  }
}

uint64_t raft_shim_term(const struct RaftShim* shim) { return raft_current_term(&shim->raft); }
uint64_t raft_shim_voted_for(const struct RaftShim* shim) { return raft_voted_for(&shim->raft); }
uint64_t raft_shim_commit_index(const struct RaftShim* shim) {
  return raft_commit_index(&shim->raft);
}
uint64_t raft_shim_deadline_ms(const struct RaftShim* shim) { return raft_timeout(&shim->raft); }

uint64_t raft_shim_leader(const struct RaftShim* shim) {
  raft_id id = 0;
  const char* address = NULL;
  raft_leader((struct raft*)&shim->raft, &id, &address);  // reads only
  return id;
}

uint64_t raft_shim_match_index(const struct RaftShim* shim, uint64_t node) {
  raft_index index = 0;
  return raft_match_index(&shim->raft, node, &index) == 0 ? index : 0;
}

uint64_t raft_shim_transferee(const struct RaftShim* shim) { return raft_transferee(&shim->raft); }

void raft_shim_forget_leader(struct RaftShim* shim) {
  if (shim->raft.state != RAFT_FOLLOWER) return;
  raft_free(shim->raft.follower_state.current_leader.address);
  shim->raft.follower_state.current_leader.address = NULL;
  shim->raft.follower_state.current_leader.id = 0;
}

bool raft_shim_is_standing(const struct RaftShim* shim) {
  return shim->raft.state == RAFT_CANDIDATE && !shim->raft.candidate_state.in_pre_vote;
}

void raft_shim_back_to_pre_vote(struct RaftShim* shim) {
  if (shim->raft.state != RAFT_CANDIDATE) return;
  shim->raft.candidate_state.in_pre_vote = true;
  shim->raft.candidate_state.disrupt_leader = false;
}
