#include "daemon/opening.h"

#include <algorithm>

#include "api/book_impl.h"
#include "api/plan.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/findings.h"
#include "commit/check.h"
#include "commit/executor.h"
#include "daemon/event_log.h"
#include "daemon/introduction.h"
#include "daemon/rebuild.h"
#include "journal/checkpoint.h"
#include "journal/segment_records.h"
#include "log/check.h"
#include "log/durable.h"

namespace casbook::daemon {

using base::error_of;

namespace {

// 64 MiB in some 200 ms.
constexpr std::chrono::microseconds kPreparePause{500};

class Opening {
 public:
  Opening(const Config& config, journal::DirectoryStorage& storage)
      : config_(config), storage_(storage) {}

  Result<Opened> run() {
    auto lock = LockFile::hold(storage_.describe());
    if (!lock) return lock.error();
    opened_.locks.push_back(std::move(*lock));
    if (auto found = look(); !found) return found.error();
    if (auto done = choose(); !done) return done.error();
    return std::move(opened_);
  }

 private:
  // What is there: the journal's state, and the arena.
  Result<void> look() {
    auto state = journal::read_state(storage_);
    if (!state && state.error().code != Code::book_missing) return state.error();
    if (state) opened_.state = *state, has_journal_ = true;
    if (opened_.state.cluster != 0)
      return error_of(Code::foreign_journal,
                      storage_.describe() + " is the journal of node " +
                          std::to_string(opened_.state.node) +
                          " of a cluster: its configuration needs [cluster]");
    auto segments = storage_.list();
    if (!segments) return segments.error();
    for (const std::string& name : *segments)
      if (!has_journal_ && (journal::segment_number(name) || journal::checkpoint_position(name)))
        return error_of(Code::damaged, storage_.describe() + " holds " + name +
                                           ", but not the file 'state' that says whose it is");
    auto core = api::open_core(config_.create.directory, config_.book, arena::Access::read_write);
    if (core) {
      opened_.core = std::move(*core);
      return hold_arena();
    }
    switch (core.error().code) {
      case Code::book_missing:
        return {};
      case Code::damaged:
      case Code::truncated:
        if (!has_journal_) return core.error();
        rejected_ = core.error();
        return {};
      default:
        return core.error();
    }
  }

  Result<void> hold_arena() {
    auto lock = LockFile::hold(*opened_.core->mapping);
    if (!lock) return lock.error();
    opened_.locks.push_back(std::move(*lock));
    return {};
  }

  Result<void> choose() {
    if (rejected_) return recover_rejected();
    if (!opened_.core) return build();
    const uint64_t id = log::journal_of(opened_.core->store).id;
    if (id == 0) return adopt();
    if (!has_journal_)
      return error_of(Code::foreign_journal, opened_.core->mapping->path() +
                                                 " is kept by a journal that is not in " +
                                                 storage_.describe());
    if (id != opened_.state.journal_id)
      return error_of(Code::foreign_journal, opened_.core->mapping->path() +
                                                 " is kept by another journal than that in " +
                                                 storage_.describe());
    if (auto sound = check(); !sound) {
      rejected_ = sound.error();
      return recover_rejected();
    }
    return resume();
  }

  // A quick look; all of it where nobody pays meanwhile.
  Result<void> check() {
    const commit::Store& store = opened_.core->store;
    base::Findings findings;
    commit::check_log(store, findings);
    if (findings.list().empty()) commit::check_descriptors(store, findings);
    if (findings.list().empty()) log::check_records(store, findings);
    if (findings.list().empty() && !is_open()) {
      const CheckReport report = BookAccess::wrap(opened_.core).check();
      for (const std::string& problem : report.problems) findings.add(problem);
    }
    if (findings.list().empty()) return {};
    return error_of(Code::damaged, findings.list().front());
  }

  // [gate] Only looked at.
  uint64_t gate() const { return opened_.core->store.control().gate.load_acquire(); }
  bool is_open() const { return gate() & 1; }

  // The arena is the last copy of what the journal lacks: it goes only when the journal is known to
  // be able to replace it, and to be this book's.
  Result<void> recover_rejected() {
    log_event(Severity::error, "arena_rejected", {{"error", rejected_->message()}});
    auto request = api::plan_arena(config_.book, config_.create);
    if (!request) return request.error();
    if (auto able = can_rebuild(storage_, opened_.state, *request); !able) return able;
    // Whoever is still attached pays no more into what nobody will keep.
    if (!opened_.core) {
      auto shut = arena::shut_damaged(config_.create.directory, config_.book);
      if (!shut && shut.error().code != Code::truncated) return shut;
    } else {
      if (auto shut = BookAccess::wrap(opened_.core).set_quarantine(true); !shut) return shut;
      opened_.locks.pop_back();
      opened_.core.reset();
    }
    if (auto gone = Book::destroy(config_.book, config_.create.directory); !gone) return gone;
    return build();
  }

  // Creates or recovers.
  Result<void> build() {
    auto request = api::plan_arena(config_.book, config_.create);
    if (!request) return request.error();
    if (!has_journal_) {
      opened_.state.journal_id = random_number();
      if (auto written = journal::write_state(storage_, opened_.state); !written) return written;
    }
    const int64_t begun = base::monotonic_ns();
    auto rebuilt =
        rebuild(storage_, opened_.state, *request,
                {.shm_directory = config_.create.directory, .appender = appender_options()});
    if (!rebuilt) return rebuilt.error();
    log_event(Severity::info, has_journal_ ? "book_recovered" : "book_created",
              {{"book", config_.book},
               {"durable", rebuilt->durable.value},
               {"records", rebuilt->records},
               {"checkpoint", rebuilt->checkpoint},
               {"torn_tail", rebuilt->was_torn ? "cut" : "none"},
               {"ms", (base::monotonic_ns() - begun) / 1'000'000}});
    opened_.state = rebuilt->state;
    opened_.appender = std::move(rebuilt->appender);
    auto core = api::open_core(config_.create.directory, config_.book, arena::Access::read_write);
    if (!core) return core.error();
    opened_.core = std::move(*core);
    if (auto held = hold_arena(); !held) return held;
    return follow(log::FullPolicy::refuse_payments, log::Follower::Start::oldest);
  }

  Result<void> follow(log::FullPolicy policy, log::Follower::Start start) {
    auto follower = log::Follower::open(opened_.core->store, opened_.core->attachment->ref(),
                                        log::kJournalFollower, policy, start);
    if (!follower) return follower.error();
    opened_.follower = *follower;
    auto shape = journal::shape_of(*opened_.core->mapping);
    if (!shape) return shape.error();
    opened_.shape = *shape;
    return {};
  }

  Result<void> open_appender(const journal::JournalEnd& end) {
    auto appender = journal::Appender::open(storage_, opened_.state.journal_id, opened_.shape, end,
                                            appender_options());
    if (!appender) return appender.error();
    opened_.appender = std::move(*appender);
    return {};
  }

  journal::AppenderOptions appender_options() const {
    return {.segment_bytes = config_.journal.segment_bytes, .prepare_pause = kPreparePause};
  }

  // An adoption that the arena does not know of is begun anew: nothing was promised. Its checkpoint
  // may be there already; that of any other book is not touched.
  Result<void> clear_attempt() {
    auto checkpoints = journal::list_checkpoints(storage_);
    if (!checkpoints) return checkpoints.error();
    auto segments = journal::list_segments(storage_, opened_.state.journal_id);
    if (!segments) return segments.error();
    bool is_ours = true;
    for (const std::string& name : *checkpoints) {
      const auto header = journal::read_checkpoint_header(storage_, name);
      is_ours &= header && is_of_this_arena(header->shape);
    }
    for (const journal::Segment& segment : *segments)
      is_ours &= is_of_this_arena(segment.header.shape);
    if (!is_ours)
      return error_of(Code::foreign_journal, opened_.core->mapping->path() +
                                                 " is not the book that the journal in " +
                                                 storage_.describe() + " keeps");
    log_event(Severity::warn, "adoption_begun_anew", {{"segments", segments->size()}});
    for (const std::string& name : *checkpoints)
      if (auto removed = storage_.remove(name); !removed) return removed;
    for (const journal::Segment& segment : *segments)
      if (auto removed = storage_.remove(journal::segment_name(segment.number)); !removed)
        return removed;
    return storage_.sync_directory();
  }

  bool is_of_this_arena(const journal::BookShape& shape) const {
    return shape.header.incarnation == opened_.core->mapping->header().incarnation;
  }

  Result<void> adopt() {
    if (has_journal_)
      if (auto cleared = clear_attempt(); !cleared) return cleared;
    const commit::Store& store = opened_.core->store;
    opened_.state = {.journal_id = random_number(), .reserved_term = 0};
    if (auto promised = promise_term(storage_, opened_.state, (gate() >> 1) + 1); !promised)
      return promised;
    if (auto held = follow(log::FullPolicy::refuse_payments, log::Follower::Start::end); !held)
      return held;
    const uint64_t next = opened_.follower->next_lsn();
    log::Record before;
    const bool is_known = next > 1 && log::fetch(store, next - 1, before) == log::Fetch::got;
    opened_.is_adopted = true;
    opened_.adopted_lsn = next;
    log_event(Severity::info, "book_adopted", {{"book", config_.book}, {"lsn", next}});
    return open_appender({.term = is_known ? before.position.term() : 0, .next_lsn = next});
  }

  // The journal goes on behind what was told to be durable, in a new segment: what stands behind
  // that was perhaps never synced, and the ring holds all of it.
  Result<void> resume() {
    const commit::Store& store = opened_.core->store;
    if (auto held = follow(log::FullPolicy::refuse_payments, log::Follower::Start::oldest); !held)
      return held;
    const Position durable = log::durable_position(store);
    auto end = journal::end_at(storage_, opened_.state.journal_id, durable.lsn());
    if (!end) return end.error();
    if (end->position() != durable)
      return error_of(Code::damaged, storage_.describe() + ": the record at lsn " +
                                         std::to_string(durable.lsn()) +
                                         " is of another term than the one that was durable");
    if (opened_.follower->next_lsn() > durable.lsn() + 1)
      return error_of(Code::damaged, "the ring holds records from lsn " +
                                         std::to_string(opened_.follower->next_lsn()) +
                                         " on, durable are those up to lsn " +
                                         std::to_string(durable.lsn()));
    if (auto ready = open_appender(*end); !ready) return ready;
    // What the file says and the arena does not was promised by a daemon that died in between.
    if (auto opened = open_gate(storage_, opened_); !opened) return opened;
    log_event(Severity::info, "book_resumed",
              {{"book", config_.book}, {"durable", durable.value}, {"term", gate() >> 1}});
    return {};
  }

  const Config& config_;
  journal::DirectoryStorage& storage_;
  bool has_journal_ = false;
  std::optional<Error> rejected_;
  Opened opened_;
};

}  // namespace

Result<void> open_gate(journal::Storage& storage, Opened& opened) {
  const commit::Store& store = opened.core->store;
  const auto is_shut = [&] {
    // [gate] Only looked at.
    return !(store.control().gate.load_acquire() & 1) && store.closed_code() == Code::book_closed;
  };
  const uint64_t epoch = store.control().gate.load_acquire() >> 1;  // [gate]
  const uint64_t term = is_shut() ? epoch + 1 : epoch;
  if (term >= kTermMax) return error_of(Code::book_full, "terms: go on in another book");
  if (auto promised = promise_term(storage, opened.state, term + 1); !promised) return promised;
  log::set_journal(store, {opened.state.journal_id, opened.state.reserved_term});
  if (is_shut() && term > epoch) commit::Executor(store).open(term);
  base::fault_point(base::FaultPoint::serve_after_open);
  return {};
}

Result<Opened> open_book(const Config& config, journal::DirectoryStorage& storage) {
  return Opening(config, storage).run();
}

}  // namespace casbook::daemon
