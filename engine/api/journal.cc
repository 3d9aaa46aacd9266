// What a book tells of its journal, and what the daemon that keeps it is asked for.
#include <casbook/book.h>

#include <algorithm>
#include <cstring>

#include <time.h>

#include "api/book_impl.h"
#include "arena/duration_line.h"
#include "base/clock.h"
#include "log/durable.h"
#include "log/follower.h"

namespace casbook {

namespace api {

namespace {

using arena::JournalState;

constexpr int64_t kPollNs = 2'000'000;
constexpr uint32_t kPollsBetweenLooks = 50;  // at whether the daemon lives: system calls

JournalState state_of(const arena::JournalLines& lines) {
  // Relaxed: for people, and to end a wait early; nothing is read because of it.
  return static_cast<JournalState>(lines.state.load_relaxed());
}

bool is_working(JournalState state) {
  return state == JournalState::serving || state == JournalState::no_space;
}

bool is_alive(std::span<const FollowerStatus> followers) {
  return std::any_of(followers.begin(), followers.end(), [](const FollowerStatus& follower) {
    return follower.name == log::kJournalFollower && follower.alive;
  });
}

const char* state_name(JournalState state, bool is_its_daemon_alive) {
  if (is_working(state) && !is_its_daemon_alive) return "dead";
  switch (state) {
    case JournalState::serving:
      return "serving";
    case JournalState::stopped:
      return "stopped";
    case JournalState::no_space:
      return "no_space";
    case JournalState::failed:
      return "failed";
    case JournalState::none:
      break;
  }
  return "none";
}

std::string hexadecimal(uint64_t word) {
  char text[17];
  std::snprintf(text, sizeof text, "%016lx", static_cast<unsigned long>(word));
  return text;
}

std::string directory_of(const arena::JournalLines& lines) {
  char bytes[sizeof lines.directory];
  for (size_t i = 0; i < std::size(lines.directory); ++i) {
    const uint64_t word = lines.directory[i].load_relaxed();
    std::memcpy(bytes + 8 * i, &word, 8);
  }
  return {bytes, strnlen(bytes, sizeof bytes)};
}

void add_checkpoint(const arena::JournalLines& lines, JournalStatus& status) {
  status.checkpoint = {lines.checkpoint_position.load_relaxed()};
  status.checkpoint_ms = static_cast<int64_t>(lines.checkpoint_ms.load_relaxed());
  status.checkpoint_bytes = lines.checkpoint_bytes.load_relaxed();
  status.checkpoint_took =
      std::chrono::milliseconds(static_cast<int64_t>(lines.checkpoint_took_ms.load_relaxed()));
  status.checkpoint_failures = lines.checkpoint_failures.load_relaxed();
}

}  // namespace

bool is_daemon_alive(const Core& core) {
  return log::is_followed(core.store, log::kJournalFollower);
}

JournalStatus read_journal_status(const Core& core, std::span<const FollowerStatus> followers) {
  JournalStatus status;
  if (!log::is_journaled(core.store)) return status;
  const arena::JournalLines& lines = core.mapping->journal();
  status.journaled = true;
  status.id = hexadecimal(core.store.control().journal.lo.load_relaxed());
  const JournalState state = state_of(lines);
  status.state = state_name(state, is_alive(followers));
  if (const auto code = static_cast<Code>(lines.error_code.load_relaxed());
      code != Code{} && (state == JournalState::failed || state == JournalState::no_space))
    status.error = code_text(code);
  status.pid = static_cast<int64_t>(lines.pid.load_relaxed());
  status.started_ms = static_cast<int64_t>(lines.started_ms.load_relaxed());
  status.directory = directory_of(lines);
  status.durable = log::durable_position(core.store);
  const uint64_t end = log::log_end(core.store);
  status.lag = end > status.durable.lsn() + 1 ? end - status.durable.lsn() - 1 : 0;
  const arena::Durations syncs = arena::read_durations(lines.sync);
  status.sync_p50_us = syncs.quantile_us(0.5);
  status.sync_p99_us = syncs.quantile_us(0.99);
  status.sync_max_us = syncs.quantile_us(1);
  status.segments = lines.segments.load_relaxed();
  status.journal_bytes = lines.journal_bytes.load_relaxed();
  add_checkpoint(lines, status);
  return status;
}

namespace {

// That the daemon has answered `ticket`. not_served: it ended meanwhile.
Result<void> wait_for_answer(const Core& core, uint64_t ticket, std::chrono::milliseconds timeout) {
  const arena::JournalLines& lines = core.mapping->journal();
  const int64_t until = base::monotonic_ns() + std::chrono::nanoseconds(timeout).count();
  for (uint32_t polls = 1;; ++polls) {
    // [checkpoint] Acquire: position and failures were written before the answer.
    if (lines.checkpoint_answered.load_acquire() >= ticket) return {};
    if (!is_working(state_of(lines)) || (polls % kPollsBetweenLooks == 0 && !is_daemon_alive(core)))
      return Error{.code = Code::not_served, .detail = "the daemon ended before it was taken"};
    if (base::monotonic_ns() >= until) return Code::wait_timeout;
    const timespec nap{0, kPollNs};
    nanosleep(&nap, nullptr);
  }
}

}  // namespace
}  // namespace api

Result<Position> Book::request_checkpoint(std::chrono::milliseconds timeout) {
  const auto view = impl_->view();
  const api::Core& core = *view;
  if (core.is_forked()) return Code::forked;
  if (!core.attachment) return Code::read_only;
  arena::JournalLines& lines = core.mapping->journal();
  if (!log::is_journaled(core.store) || !api::is_working(api::state_of(lines)) ||
      !api::is_daemon_alive(core))
    return Code::not_served;
  const uint64_t failures = lines.checkpoint_failures.load_relaxed();
  uint64_t seen = lines.checkpoint_asked.load_relaxed();
  // Each asks for one of its own: what is under way may have begun before the commits that this
  // caller wants in it. Bounded by the others who ask.
  // [checkpoint] Release: the commits that were made before are seen by the daemon that answers.
  while (!lines.checkpoint_asked.cas_acq_rel(seen, seen + 1))
    seen = lines.checkpoint_asked.load_relaxed();
  arena::notify(core.store.own_event(arena::kDemandEvent));
  if (auto answered = api::wait_for_answer(core, seen + 1, timeout); !answered)
    return answered.error();
  if (lines.checkpoint_failures.load_relaxed() != failures)
    return Error{.code = Code::io_error, .detail = "the checkpoint failed: see the daemon's log"};
  return Position{lines.checkpoint_position.load_relaxed()};
}

}  // namespace casbook
