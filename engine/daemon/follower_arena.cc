#include "daemon/follower_arena.h"

#include <algorithm>

#include "daemon/rebuild_source.h"
#include "journal/replay.h"
#include "replicate/announce.h"

namespace casbook::daemon {

using journal::Storage;

namespace {

// The work on one file that has no name yet.
class Filling {
 public:
  Filling(const Storage& storage, const RebuildSource& source, const FollowerArenaOptions& options)
      : storage_(storage), source_(source), options_(options) {
    result_.checkpoint = source.checkpoint;
  }

  Result<void> run(arena::Mapping& mapping) {
    commit::Store::format_cells(mapping);
    const commit::Store store(mapping);
    if (auto loaded = load(store); !loaded) return loaded;
    if (auto replayed = replay(store); !replayed) return replayed;
    format_log(mapping);
    announce(store);
    base::fault_point(base::FaultPoint::follower_arena_filled);  // N4
    return {};
  }

  FollowerArena take() { return std::move(result_); }

 private:
  Result<void> load(const commit::Store& store) {
    if (source_.checkpoint.empty()) return {};
    auto loaded = journal::load_checkpoint(storage_, source_.checkpoint, store);
    if (!loaded) return loaded.error();
    result_.last = {source_.header.position};
    newest_ms_ = source_.header.book_time_ms;
    return {};
  }

  Result<void> replay(const commit::Store& store) {
    const uint64_t from = result_.last.lsn() + 1;
    if (from <= options_.to_lsn && source_.has_segments) {
      auto replayed = journal::replay(store, storage_, options_.journal_id, from, options_.to_lsn);
      if (!replayed) return replayed.error();
      result_.records = replayed->records;
      result_.last = std::max(result_.last, replayed->last);
      newest_ms_ = std::max(newest_ms_, replayed->newest_ms);
      terms_ = std::move(replayed->terms);
    }
    if (result_.last.lsn() == options_.to_lsn) return {};
    return damaged(storage_, "the last record up to lsn " + std::to_string(options_.to_lsn) +
                                 " is lsn " + std::to_string(result_.last.lsn()));
  }

  // Shut, in the term of the last record; a book without one is of the first term, in which nobody
  // leads.
  void format_log(arena::Mapping& mapping) const {
    const bool is_empty = result_.last.value == 0;
    commit::Store::format_log(mapping, false,
                              is_empty ? commit::kFirstPosition
                                       : Position::of(result_.last.term(), result_.last.lsn() + 1));
    arena::ControlLines& control = mapping.control();
    for (uint32_t i = 0; i < kTermStarts && !is_empty; ++i)
      control.term_starts[i].initialise(source_.header.term_starts[i]);
    for (const Position& start : terms_)
      control.term_starts[start.term() % kTermStarts].initialise(start.value);
    control.book_time.initialise(newest_ms_);
    control.durable.initialise(result_.last.value);
    control.journal.lo.initialise(options_.journal_id);
    control.journal.hi.initialise(options_.promised_term);
    mapping.replication().quorum.initialise(result_.last.value);
  }

  void announce(const commit::Store& store) const {
    replicate::announce_cluster(store, options_.cluster, options_.node);
    replicate::announce_leading_until(store, 1);
    replicate::announce_role(store, arena::ReplicaRole::following);
  }

  const Storage& storage_;
  const RebuildSource& source_;
  const FollowerArenaOptions& options_;
  std::vector<Position> terms_;
  uint64_t newest_ms_ = 0;
  FollowerArena result_;
};

}  // namespace

Result<FollowerArena> rebuild_follower(const Storage& storage, const arena::CreateRequest& request,
                                       const FollowerArenaOptions& options) {
  RebuildSource source{.request = request, .checkpoint = {}};
  source.request.directory = options.shm_directory;
  if (options.to_lsn != 0) {
    auto found =
        find_source(storage, options.journal_id, request, options.shm_directory, options.to_lsn);
    if (!found) return found.error();
    source = std::move(*found);
  }
  Filling filling(storage, source, options);
  auto replaced = arena::replace(
      source.request, [&](arena::Mapping& mapping) { return filling.run(mapping); },
      [&] {
        if (options.replaced) replicate::announce_retired(*options.replaced);
      });
  if (!replaced) return replaced.error();
  return filling.take();
}

}  // namespace casbook::daemon
