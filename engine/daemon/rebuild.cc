#include "daemon/rebuild.h"

#include <algorithm>

#include "base/clock.h"
#include "commit/executor.h"
#include "daemon/rebuild_source.h"
#include "journal/checkpoint.h"
#include "journal/replay.h"
#include "lease/leases.h"
#include "log/durable.h"
#include "log/follower.h"

namespace casbook::daemon {

using base::FaultPoint;
using journal::Storage;

namespace {

// The work on one file that has no name yet.
class Rebuild {
 public:
  Rebuild(Storage& storage, const journal::JournalState& state, const RebuildSource& source,
          const RebuildOptions& options)
      : storage_(storage), source_(source), options_(options) {
    result_.state = state;
  }

  Result<void> run(arena::Mapping& mapping) {
    commit::Store::format_cells(mapping);
    const commit::Store store(mapping);
    if (auto loaded = load(store); !loaded) return loaded;
    base::fault_point(FaultPoint::recover_after_load);
    const uint64_t term = result_.state.reserved_term + 1;
    if (term >= kTermMax)
      return Error{.code = Code::book_full, .detail = "terms: go on in another book"};
    if (auto promised = promise_term(storage_, result_.state, term + 1); !promised) return promised;
    format_log(mapping);
    if (auto opened = open_journal(mapping); !opened) return opened;
    auto follower =
        log::Follower::open(store, {}, log::kJournalFollower, log::FullPolicy::refuse_payments,
                            log::Follower::Start::oldest);
    if (!follower) return follower.error();
    commit::Executor(store).open(term);
    base::fault_point(FaultPoint::recover_after_open);
    if (auto restarted = restart_leases(store, *follower); !restarted) return restarted;
    return settle(store, *follower);
  }

  Rebuilt take() { return std::move(result_); }

 private:
  Result<void> load(const commit::Store& store) {
    uint64_t from = 1;
    end_.next_lsn = 1;
    if (!source_.checkpoint.empty()) {
      auto loaded = journal::load_checkpoint(storage_, source_.checkpoint, store);
      if (!loaded) return loaded.error();
      const Position position{source_.header.position};
      from = position.lsn() + 1;
      newest_ms_ = source_.header.book_time_ms;
      end_ = {.index = source_.header.index, .term = position.term(), .next_lsn = from};
    }
    result_.checkpoint = source_.checkpoint;
    if (!source_.has_segments) return {};
    auto replayed = journal::replay(store, storage_, result_.state.journal_id, from);
    if (!replayed) return replayed.error();
    if (replayed->end.next_lsn < from)
      return damaged(storage_, "it ends at lsn " + std::to_string(replayed->end.next_lsn - 1) +
                                   ", the checkpoint is of lsn " + std::to_string(from - 1));
    end_ = replayed->end;
    terms_ = std::move(replayed->terms);
    result_.records = replayed->records, result_.was_torn = replayed->was_torn;
    newest_ms_ = std::max(newest_ms_, replayed->newest_ms);
    return {};
  }

  // The log goes on behind the last record; the gate is shut, in the term of that record.
  void format_log(arena::Mapping& mapping) {
    result_.durable = end_.position();
    commit::Store::format_log(mapping, false, Position::of(end_.term, end_.next_lsn));
    arena::ControlLines& control = mapping.control();
    for (uint32_t i = 0; i < kTermStarts; ++i)
      control.term_starts[i].initialise(source_.header.term_starts[i]);
    for (const Position& start : terms_)
      control.term_starts[start.term() % kTermStarts].initialise(start.value);
    control.book_time.initialise(newest_ms_);
    control.durable.initialise(result_.durable.value);
    control.journal.lo.initialise(result_.state.journal_id);
    control.journal.hi.initialise(result_.state.reserved_term);
  }

  Result<void> open_journal(const arena::Mapping& mapping) {
    journal::BookShape shape{};
    shape.header = mapping.header();
    shape.owner = source_.request.owner.value_or(getuid());
    shape.group = source_.request.group.value_or(getgid());
    shape.mode = source_.request.mode;
    auto appender =
        journal::Appender::open(storage_, result_.state.journal_id, shape, end_, options_.appender);
    if (!appender) return appender.error();
    result_.appender = std::move(*appender);
    return {};
  }

  Result<void> restart_leases(const commit::Store& store, log::Follower& follower) {
    log::LogWriter writer(store, 0);
    lease::Leases leases(store, {});
    // Bounded by the leases: each round renews some, or makes room in the ring.
    for (uint64_t at = 0;;) {
      auto next = leases.restart_ttls(writer, at, static_cast<int64_t>(newest_ms_));
      if (!next && next.error().code != Code::backpressure) return next.error();
      if (!next) {
        if (auto settled = settle(store, follower); !settled) return settled;
        continue;
      }
      at = *next;
      if (at == 0) return {};
    }
  }

  // All records are journaled and synced.
  Result<void> settle(const commit::Store& store, log::Follower& follower) {
    journal::Appender& appender = *result_.appender;
    // Progress: the disk's.
    while (appender.next_lsn() < log::log_end(store) || !appender.is_settled()) {
      auto taken = appender.take(store);
      if (!taken) return taken.error();
      if (*taken == journal::Appender::Taken::no_segment) {
        if (auto prepared = appender.prepare_spare(); !prepared) return prepared;
      }
      if (appender.is_settled()) continue;
      if (auto completed = appender.complete(); !completed) return completed;
    }
    log::publish_durable(store, appender.durable());
    follower.release_up_to(appender.durable().lsn() + 1);
    return {};
  }

  Storage& storage_;
  const RebuildSource& source_;
  const RebuildOptions& options_;
  journal::JournalEnd end_;
  std::vector<Position> terms_;
  uint64_t newest_ms_ = 0;
  Rebuilt result_;
};

}  // namespace

Result<void> promise_term(Storage& storage, journal::JournalState& state, uint64_t term) {
  if (term <= state.reserved_term) return {};
  journal::JournalState promised = state;
  promised.reserved_term = std::min<uint64_t>(term, kTermMax);
  if (auto written = journal::write_state(storage, promised); !written) return written;
  base::fault_point(FaultPoint::serve_after_state);
  state = promised;
  return {};
}

Result<void> can_rebuild(const Storage& storage, const journal::JournalState& state,
                         const arena::CreateRequest& request) {
  auto source = find_source(storage, state.journal_id, request, request.directory);
  if (!source) return source.error();
  if (source->checkpoint.empty() && !source->has_segments)
    return damaged(storage, "it holds nothing to rebuild the book from");
  const uint64_t from = Position{source->header.position}.lsn() + 1;
  auto segments = journal::list_segments(storage, state.journal_id, from);
  if (!segments) return segments.error();
  journal::EntryReader reader(storage, std::move(*segments));
  // Bounded by the entries.
  for (;;) {
    auto entry = reader.next();
    if (!entry) return entry.error();
    if (!*entry) return {};
  }
}

Result<Rebuilt> rebuild(Storage& storage, const journal::JournalState& state,
                        const arena::CreateRequest& request, const RebuildOptions& options) {
  auto source = find_source(storage, state.journal_id, request, options.shm_directory);
  if (!source) return source.error();
  Rebuild work(storage, state, *source, options);
  auto created = arena::create(source->request, [&](arena::Mapping& mapping) -> Result<void> {
    if (auto done = work.run(mapping); !done) return done;
    base::fault_point(FaultPoint::recover_before_rename);  // N3
    return {};
  });
  if (!created) return created.error();
  return work.take();
}

}  // namespace casbook::daemon
