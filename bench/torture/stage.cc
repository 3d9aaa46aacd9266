#include "torture/stage.h"

#include <csignal>

#include "torture/standstill.h"
#include "torture/time_namespace.h"

namespace casbook::torture {
namespace {

using peers::Step;

constexpr int64_t kHourNs = 3'600'000'000'000;
// Of those at random: enough that a moment lies within one, few enough for the diaries.
constexpr uint32_t kKilledAmong = 8, kStoppedAmong = 6, kMeanwhile = 5;
constexpr uint32_t kLostReplies = 4;

int64_t struck_ns_of(const Player& player) {
  return static_cast<int64_t>(player.diary().struck_ns.load_relaxed());
}

// 0: there is none.
int64_t first_answer_ns(const Diary& diary) {
  for (uint64_t i = 0; i < diary.count.load_relaxed(); ++i)
    if (diary.lines[i].answer_plus_1.load_relaxed() != 0)
      return static_cast<int64_t>(diary.lines[i].returned_ns.load_relaxed());
  return 0;
}

int64_t until(int64_t ms) { return bench::now_ns() + ms * 1'000'000; }
void sleep_until(int64_t ns) {
  while (bench::now_ns() < ns) {
    test_support::sleep_us(500);
    Standstill::look();
  }
}

}  // namespace

Played Stage::play(const Story& story, uint32_t number) {
  Bout bout{.story = story, .transfers = transfers_of(number, story.spends())};
  for (Seat* seat : {&victim_, &rival_, &third_})
    if (*seat) (*seat)->diary().clear();
  if (take_seat(victim_, bout) && take_seat(rival_, bout)) {
    Standstill::begin();
    if (story.fault == Fault::reply_lost)
      play_reply_lost(bout);
    else if (story.fault == Fault::kill || story.fault == Fault::clock_back)
      play_kill(bout);
    else if (story.rival == Rival::third)
      play_third(bout);
    else if (story.rival == Rival::stream)
      play_stop_at_random(bout);
    else
      play_stop(bout);
  }
  if (bout.played.why.empty()) {
    settle(bout);
    bout.played.stood_still = Standstill::was_seen();
    bout.played.verdict = judge(look(bout));
  }
  gone_.clear();
  return bout.played;
}

void Stage::play_reply_lost(Bout& bout) {
  bout.payments = kLostReplies;
  for (Seat* seat : {&victim_, &rival_}) {
    Task task{.transfers = bout.transfers, .last = kLostReplies - 1, .times = 2};
    task.patience_ms = pace_.limit_ms;
    (*seat)->order(task);
  }
  await_end(victim_, bout);
  await_end(rival_, bout);
}

void Stage::play_stop(Bout& bout) {
  const bool is_clock = bout.story.fault == Fault::clock_forward;
  if (is_clock) {
    vacate(rival_);
    if (!take_seat(rival_, bout, kHourNs)) return;
  }
  order(victim_, bout, 0, 0, {.signal = SIGSTOP, .step = bout.story.step});
  if (!victim_->await_struck(until(pace_.limit_ms))) {
    bout.played.why = "the payment did not come to that step";
    return;
  }
  const int64_t struck_ns = struck_ns_of(*victim_);
  if (is_clock) design_.step_clock(kHourNs / 1'000'000);
  const uint32_t asked = bout.story.rival == Rival::retry ? 0 : 1;
  order(rival_, bout, asked, asked);
  if (is_clock) {
    sleep_until(struck_ns + pace_.ttl_ms / 2 * 1'000'000);
  } else {
    sleep_until(struck_ns + pace_.stop_ms * 1'000'000);
    bout.played.is_blocked = !rival_->await_done(struck_ns + pace_.stop_ms_max * 1'000'000);
  }
  victim_->signal(SIGCONT);
  await_end(rival_, bout);
  await_end(victim_, bout);
  if (is_clock) return vacate(rival_);
  if (rival_) note_next(*rival_, bout, struck_ns);
}

// The holder goes on when another has its lock, and gives back what is no longer its own; a third
// finds it free, while the second is still within its TTL.
void Stage::play_third(Bout& bout) {
  if (!take_seat(third_, bout)) return;
  bout.payments = 3;
  // The holder moves little; the other two cannot both be paid.
  std::swap(bout.transfers[0], bout.transfers[2]);
  order(victim_, bout, 0, 0, {.signal = SIGSTOP, .step = Step::noted});
  if (!victim_->await_struck(until(pace_.limit_ms))) {
    bout.played.why = "the payment did not come to that step";
    return;
  }
  sleep_until(struck_ns_of(*victim_) + pace_.stop_ms * 1'000'000);
  order(rival_, bout, 1, 1, {.signal = SIGSTOP, .step = Step::checked});
  const bool has_lock = rival_->await_struck(until(pace_.ttl_ms));
  victim_->signal(SIGCONT);
  await_end(victim_, bout);
  order(third_, bout, 2, 2);
  if (has_lock) third_->await_done(struck_ns_of(*rival_) + pace_.ttl_ms / 2 * 1'000'000);
  // Where the rival waited for the holder it is struck only now.
  if (!has_lock) rival_->await_struck(until(pace_.limit_ms));
  rival_->signal(SIGCONT);
  await_end(rival_, bout);
  await_end(third_, bout);
}

void Stage::play_stop_at_random(Bout& bout) {
  bout.payments = kStoppedAmong + kMeanwhile;
  order(victim_, bout, 0, kStoppedAmong - 1, at_random(SIGSTOP, kStoppedAmong));
  order(rival_, bout, kStoppedAmong, bout.payments - 1);
  if (victim_->await_struck(until(pace_.limit_ms))) sleep_until(until(pace_.stop_ms));
  victim_->signal(SIGCONT);
  await_end(rival_, bout);
  await_end(victim_, bout);
}

void Stage::play_kill(Bout& bout) {
  const bool is_random = bout.story.rival == Rival::stream;
  const bool is_clock = bout.story.fault == Fault::clock_back;
  if (is_random) bout.payments = kKilledAmong;
  if (is_clock) {
    vacate(rival_);
    if (!take_seat(rival_, bout, -back_ns_max())) return;
  }
  order(victim_, bout, 0, is_random ? kKilledAmong - 1 : 0,
        is_random ? at_random(SIGKILL, kKilledAmong)
                  : Strike{.signal = SIGKILL, .step = bout.story.step});
  // At a step the other comes while the holder dies, at random when it is dead.
  const int64_t patience_ns = until(pace_.limit_ms);
  const bool is_struck =
      is_random ? victim_->await_struck(patience_ns) : victim_->await_strike(patience_ns);
  if (!is_struck && !is_random) {
    bout.played.why = "the payment did not come to that step";
    return;
  }
  const int64_t struck_ns = struck_ns_of(*victim_);
  if (is_clock) design_.step_clock(-back_ns_max() / 1'000'000);
  order(rival_, bout, 0, bout.payments - 1);
  await_end(rival_, bout);
  if (is_struck) vacate(victim_);
  if (!is_random && rival_) note_next(*rival_, bout, struck_ns);
  if (is_clock) vacate(rival_);
}

void Stage::settle(Bout& bout) {
  if (bout.played.is_stuck || !take_seat(rival_, bout)) return;
  order(rival_, bout, 0, bout.payments - 1);
  await_end(rival_, bout);
}

Evidence Stage::look(Bout& bout) {
  Evidence evidence{.transfers = bout.transfers};
  if (!take_seat(rival_, bout)) return evidence;
  rival_->order({.transfers = bout.transfers, .is_look = true});
  if (!rival_->await_done(until(pace_.limit_ms))) bout.played.why = "the accounts cannot be read";
  const Diary& seen = rival_->diary();
  evidence.payer_funds = static_cast<int64_t>(seen.payer_funds.load_relaxed());
  evidence.payee_funds = static_cast<int64_t>(seen.payee_funds.load_relaxed());
  evidence.noted = seen.noted.load_relaxed();
  if (evidence.payer_funds == -1 || evidence.payee_funds == -1)
    bout.played.why = "the accounts cannot be read";
  for (const Seat* seat : {&victim_, &rival_, &third_})
    if (*seat) evidence.diaries.push_back(&(*seat)->diary());
  for (const Seat& seat : gone_) evidence.diaries.push_back(&seat->diary());
  return evidence;
}

bool Stage::take_seat(Seat& seat, Bout& bout, int64_t ahead_ns) {
  if (!seat) seat = std::make_unique<Player>(design_, ahead_ns);
  if (seat->is_ready()) return true;
  seat.reset();
  bout.played.why = ahead_ns == 0 ? "no connection" : "no time namespace, or no connection";
  return false;
}

void Stage::vacate(Seat& seat) {
  if (!seat) return;
  seat->end();
  gone_.push_back(std::move(seat));
}

void Stage::order(Seat& seat, const Bout& bout, uint32_t first, uint32_t last,
                  const Strike& strike) {
  Task task{.transfers = bout.transfers, .first = first, .last = last, .strike = strike};
  task.patience_ms = pace_.limit_ms;
  seat->order(task);
}

bool Stage::await_end(Seat& seat, Bout& bout) {
  constexpr int64_t kSlackMs = 500;
  if (!seat) return false;
  const bool is_done = seat->await_done(until(pace_.limit_ms + kSlackMs));
  if (!is_done) vacate(seat);
  const bool is_settled = is_done && seat->is_settled();
  bout.played.is_stuck = bout.played.is_stuck || !is_settled;
  return is_settled;
}

void Stage::note_next(const Player& next, Bout& bout, int64_t struck_ns) {
  if (const int64_t answered_ns = first_answer_ns(next.diary()); answered_ns != 0)
    bout.played.next_ns = answered_ns - struck_ns;
}

Strike Stage::at_random(int signal, uint32_t payments) {
  const auto longest_ns = static_cast<uint64_t>(std::max<int64_t>(1, pace_.payment_ns) * payments);
  return {.signal = signal, .after_ns = static_cast<int64_t>(random_.below(longest_ns))};
}

}  // namespace casbook::torture
