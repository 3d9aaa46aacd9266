// Waiting for a position to be as safe as a caller wants it.
//
// `memory` is reached by the commit itself. For the others the caller tells the daemon that
// somebody waits, and sleeps until the daemon says that the disk, or a majority, has more; the
// daemon wakes all at once who wait for the one or the other.
#include <algorithm>
#include <optional>

#include "api/core.h"
#include "arena/duration_line.h"
#include "base/clock.h"
#include "base/trace.h"
#include "log/durable.h"
#include "log/log_reader.h"
#include "log/terms.h"

namespace casbook::api {

namespace {

// A waker may be killed between the change and the wake.
constexpr int64_t kSleepNsMax = 10'000'000;
constexpr int64_t kPollNs = 200'000;  // where nobody tells: an observer, a position to come
constexpr int64_t kDaemonLooksNs = 10'000'000;  // between two proofs of its life: system calls
constexpr int64_t kWaitMsMax = 100ll * 365 * 24 * 3600 * 1000;

bool has_reached(const commit::Store& store, Position position, Level level) {
  if (level == Level::memory) return position.lsn() < log::log_end(store);
  // What a majority has on disk it has in memory.
  if (level == Level::quorum && position.lsn() <= log::quorum_position(store).lsn()) return true;
  return position.lsn() <= log::durable_position(store).lsn();
}

// Why the journal will not get any further until a daemon serves the book again; nothing: it may.
// Stale in either direction it costs one call its time-out, or one that a retry is answered.
std::optional<std::string> why_no_further(const commit::Store& store) {
  const arena::JournalLines& lines = store.mapping().journal();
  switch (static_cast<arena::JournalState>(lines.state.load_relaxed())) {
    case arena::JournalState::failed:
      return std::string("the journal has failed: ") +
             code_text(static_cast<Code>(lines.error_code.load_relaxed()));
    case arena::JournalState::stopped:
      return "the journal is closed: no daemon serves this book (casbook serve)";
    default:
      return std::nullopt;
  }
}

arena::DurationLine& wait_line_of(const commit::Store& store, Level level) {
  return level == Level::quorum ? store.replication().wait : store.mapping().journal().wait;
}

arena::EventLine& event_of(const commit::Store& store, Level level) {
  return store.own_event(level == Level::quorum ? arena::kQuorumEvent : arena::kDurableEvent);
}

// Errs towards life by kDaemonLooksNs, which costs one caller its time-out.
bool was_daemon_alive_lately(const Core& core) {
  const int64_t now = base::monotonic_ns();
  // Relaxed: a clock reading; an old one costs another look.
  const auto seen = static_cast<int64_t>(core.daemon_seen_ns.load_relaxed());
  if (seen != 0 && now - seen < kDaemonLooksNs) return true;
  if (!is_daemon_alive(core)) return false;
  core.daemon_seen_ns.store_relaxed(static_cast<uint64_t>(now));
  return true;
}

Error error_of(Code code, std::string detail) {
  return {.code = code, .detail = std::move(detail)};
}

}  // namespace

Result<void> check_journal(const Core& core) {
  if (!log::is_journaled(core.store))
    return error_of(Code::level_unavailable,
                    "no daemon keeps a journal of this book (casbook serve)");
  if (auto why = why_no_further(core.store)) return error_of(Code::level_unavailable, *why);
  return {};
}

Result<void> check_level(const Core& core, Level level) {
  if (level == Level::memory) return {};
  if (level == Level::quorum && !core.store.is_replicated())
    return error_of(Code::level_unavailable, "no other host keeps this book");
  if (auto journal = check_journal(core); !journal) return journal;
  if (!was_daemon_alive_lately(core))
    return error_of(Code::level_unavailable,
                    "its daemon is dead, and no other serves this book yet (casbook serve)");
  return {};
}

namespace {

Result<void> wait(const Core& core, Position position, Level level,
                  std::chrono::milliseconds timeout, bool is_known_held) {
  const commit::Store& store = core.store;
  // What is durable already stays so, whatever became of the journal.
  if ((level == Level::quorum && !store.is_replicated()) ||
      (level == Level::durable && !log::is_journaled(store)))
    return check_level(core, level);
  const bool is_told = level != Level::memory && core.attachment;
  const auto wanted = std::min(timeout, std::chrono::milliseconds(kWaitMsMax));
  const int64_t began = base::monotonic_ns();
  const int64_t until = began + std::chrono::nanoseconds(wanted).count();
  // Of a majority it is asked once: what is sent for one is on its way for all. What was sent when
  // nobody waited for the disk may lie in memory.
  bool must_ask = true;
  for (bool has_waited = false;; has_waited = true) {
    // Who has it announces nothing: the daemon looks at who waits.
    const bool was_reached = has_reached(store, position, level);
    const uint64_t ticket =
        is_told && !was_reached ? arena::prepare_wait(event_of(store, level)) : 0;
    // Before the standing: what was reached when the position was held, was reached by that commit.
    const bool is_reached = was_reached || has_reached(store, position, level);
    switch (is_known_held ? log::Standing::held : log::standing_of(store, position)) {
      case log::Standing::undone:
        return Code::undone;
      case log::Standing::unknown:
        return Code::outcome_unknown;
      case log::Standing::held:
        break;
    }
    const int64_t now = base::monotonic_ns();
    if (is_reached) {
      if (is_told && has_waited)
        arena::add_duration(wait_line_of(store, level), std::chrono::nanoseconds(now - began));
      return {};
    }
    // What was published before it retired was answered; from here on another file knows.
    if (core.has_retired()) return Code::book_moved;
    if (level != Level::memory)
      if (auto why = why_no_further(store)) return error_of(Code::outcome_unknown, *why);
    if (now >= until) return Code::outcome_unknown;
    if (is_told) {
      if (must_ask) arena::notify(store.own_event(arena::kDemandEvent));
      const auto purpose = level == Level::quorum ? base::kForQuorum : base::kForDurable;
      const int64_t wake_ns = std::min(until, now + kSleepNsMax);
      CASBOOK_TRACE(wait, purpose, wake_ns);
      const auto end = arena::wait(event_of(store, level), ticket, wake_ns);
      CASBOOK_TRACE(woken, purpose, static_cast<uint32_t>(end));
      must_ask = end != arena::WaitEnd::notified || level == Level::durable;
    } else {
      const timespec nap{0, static_cast<long>(std::min(until - now, kPollNs))};
      nanosleep(&nap, nullptr);
    }
  }
}

}  // namespace

Result<void> wait(const Core& core, Position position, Level level,
                  std::chrono::milliseconds timeout) {
  return wait(core, position, level, timeout, false);
}

Result<void> wait_held(const Core& core, Position position, Level level,
                       std::chrono::milliseconds timeout) {
  return wait(core, position, level, timeout, true);
}

}  // namespace casbook::api
