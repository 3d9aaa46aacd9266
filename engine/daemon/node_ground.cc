#include "daemon/node_ground.h"

#include <algorithm>

#include "base/error.h"
#include "daemon/introduction.h"
#include "journal/entry_reader.h"

namespace casbook::daemon {

using base::error_of;
using replicate::RaftLog;

namespace {

// An older program's directory has none yet.
Result<journal::JournalState> with_storage_id(journal::Storage& storage,
                                              journal::JournalState state) {
  if (state.storage_id != 0) return state;
  state.storage_id = random_number();
  if (auto written = journal::write_state(storage, state); !written) return written.error();
  return state;
}

Result<journal::JournalState> open_state(const Config& config, journal::Storage& storage,
                                         bool& is_new) {
  const ClusterConfig& cluster = config.cluster;
  auto state = journal::read_state(storage);
  is_new = !state && state.error().code == Code::book_missing;
  if (!state && !is_new) return state.error();
  if (!is_new) {
    if (state->cluster == cluster_number(cluster) && state->node == cluster.node)
      return with_storage_id(storage, *state);
    return error_of(
        Code::foreign_journal,
        storage.describe() + " is the journal of " +
            (state->cluster == 0                         ? "a book without a cluster"
             : state->cluster != cluster_number(cluster) ? "another cluster"
                                                         : "node " + std::to_string(state->node)) +
            ", not of node " + std::to_string(cluster.node) + " of " + cluster.id);
  }
  const journal::JournalState fresh{.journal_id = journal_id_of(cluster),
                                    .reserved_term = 1,
                                    .cluster = cluster_number(cluster),
                                    .node = cluster.node,
                                    .storage_id = random_number()};
  if (auto written = journal::write_state(storage, fresh); !written) return written.error();
  return fresh;
}

// The shape that segments bear: of the journal as it is, or of the book that it begins with.
Result<journal::BookShape> find_shape(Ground& ground, journal::Storage& storage, bool& has_book) {
  auto segments = journal::list_segments(storage, ground.state.journal_id);
  if (!segments) return segments.error();
  if (!segments->empty()) return segments->back().header.shape;
  if (!has_book)
    if (auto made = ground.arena->rebuild({}); !made) return made.error();
  has_book = true;
  return ground.arena->shape();
}

}  // namespace

replicate::Configuration configuration_of(const ClusterConfig& cluster) {
  replicate::Configuration configuration{cluster.nodes};
  // Who joins is no member until the others say so.
  if (cluster.is_joining)
    std::erase_if(configuration.servers,
                  [&](const auto& server) { return server.id == cluster.node; });
  std::sort(configuration.servers.begin(), configuration.servers.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return configuration;
}

Result<Ground> find_ground(const Config& config, journal::Storage& storage) {
  Ground ground;
  bool is_new = false;
  auto state = open_state(config, storage, is_new);
  if (!state) return state.error();
  ground.state = *state;
  ground.arena = std::make_unique<HostedArena>(config, storage, ground.state);
  auto attached = ground.arena->attach();
  if (!attached) return attached.error();
  bool has_book = *attached;
  auto shape = find_shape(ground, storage, has_book);
  if (!shape) return shape.error();
  const auto first =
      config.cluster.is_joining ? replicate::Configuration{} : configuration_of(config.cluster);
  auto log = RaftLog::open(storage, ground.state.journal_id, *shape, first,
                           {.appender = {.segment_bytes = config.journal.segment_bytes}});
  if (!log) return log.error();
  ground.log = std::move(*log);
  ground.shape = *shape;
  // A follower's arena holds what was committed, so its log has it.
  const Position position = ground.arena->position();
  ground.is_quarantined = has_book && ground.arena->is_quarantined();
  ground.needs_rebuild =
      !has_book ||
      (!ground.is_quarantined &&
       (!ground.log->holds(position) || ground.log->begins_behind(ground.arena->next_lsn())));
  ground.applied = ground.needs_rebuild ? 0 : ground.log->applied_index(ground.arena->next_lsn());
  return ground;
}

// A new node that has no journal yet. False: told to stop before it got one.
Result<bool> join_if_new(const Config& config, journal::Storage& storage,
                         const replicate::ClusterKeys& keys, const StopSignal& stop) {
  if (!config.cluster.is_joining) return true;
  auto segments = journal::list_segments(storage, 0);
  if (!segments) return segments.error();
  if (!segments->empty()) return true;
  bool is_new = false;
  auto state = open_state(config, storage, is_new);
  if (!state) return state.error();
  CatchUp::Node node{.storage = &storage, .state = *state};
  {
    // An empty book, for its shape.
    HostedArena arena(config, storage, *state);
    auto attached = arena.attach();
    if (!attached) return attached.error();
    if (!*attached)
      if (auto made = arena.rebuild({}); !made) return made.error();
    node.shape = arena.shape();
  }
  node.shape_digest = digest_of(node.shape);
  return join_cluster(config.cluster, config.journal.segment_bytes, keys, node, stop);
}

}  // namespace casbook::daemon
