// What readers and followers of the log cost the one who pays.
#include "growth/rounds.h"

namespace casbook::growth {
namespace {

constexpr uint64_t kAccounts = 1024;
constexpr uint64_t kReleaseEach = 64;  // records
constexpr uint32_t kTriesMax = 600;    // some 50 ms
constexpr int64_t kFillingRounds = 5;  // the first round is as long as so many: the ring fills

// A payer who waits while the ring is held; each operation is one payment, or as long a wait in
// vain as a round lasts: followers whose round is over do not read, so the ring may stay full.
// After such a wait he asks once each time, until he is let in again.
Team::Operation waiting_payer(const std::shared_ptr<OwnBook>& own) {
  return [own, series = own_series(), attached = std::make_shared<Attached>(*own),
          random = Random(own_series()), tries_max = kTriesMax]() mutable {
    const Payment payment = own->payment(random, series);
    for (uint32_t tries = 1;; ++tries) {
      const auto answer = attached->session.pay(payment);
      const bool is_held = !answer && answer.error().code == Code::backpressure;
      if (!is_held || tries >= tries_max) {
        tries_max = is_held ? 1 : kTriesMax;
        return is_held || is_paid(answer);
      }
      usleep(20);
    }
  };
}

// Without a session, its pages touched.
std::shared_ptr<Book> attach(const OwnBook& own) {
  auto book = std::make_shared<Book>(must(Book::attach(own.name(), own.directory())));
  touch_book(own.name());
  return book;
}

Team::Operation follower(const std::shared_ptr<OwnBook>& own, uint32_t process) {
  auto book = attach(*own);
  auto log = std::make_shared<LogFollower>(
      must(book->follow("follower-" + std::to_string(process), FullPolicy::refuse_payments)));
  return [book, log, taken = uint64_t{0}]() mutable {
    const auto record = log->next();
    if (record && *record && ++taken % kReleaseEach == 0) log->release();
    return static_cast<bool>(record);
  };
}

// Holds nobody back: skips what it did not get in time.
Team::Operation reader(const std::shared_ptr<OwnBook>& own) {
  auto book = attach(*own);
  auto log = std::make_shared<LogReader>(must(book->read_log(book->position())));
  return [book, log] {
    const auto record = log->next();
    if (record) return true;
    if (record.error().code != Code::overrun) return false;
    log->skip_to_oldest();
    return true;
  };
}

// The payer has core 0, the others core 1. A team for each number: who is registered and does not
// read would hold the ring.
Point measure(const Effort& effort, uint64_t others, bool is_held) {
  const auto own = share_book({.accounts = kAccounts, .payments = effort.payments_less});
  Team team(
      [=](uint32_t process) {
        stay_on(process == 0 ? 0 : 1);
        if (process == 0) return waiting_payer(own);
        return is_held ? follower(own, process) : reader(own);
      },
      static_cast<uint32_t>(others) + 1);
  Point point{.x = static_cast<double>(others)};
  const auto processes = static_cast<uint32_t>(others) + 1;
  expect(team.grow_to(processes), "a follower could not get ready");
  std::vector<double> cpu;
  RoundResult filling;
  if (!run_round(team, {.processes = processes, .ns = effort.round_ns * kFillingRounds}, point,
                 filling))
    return point;
  const Round round{.processes = processes, .ns = effort.round_ns};
  uint64_t before = own->book().activity().payments;
  repeat_rounds(team, round, effort.repeats, point, [&](const RoundResult& result) {
    // Not his operations: some waited in vain.
    const uint64_t after = own->book().activity().payments;
    const auto payments = static_cast<double>(std::max<uint64_t>(1, after - before));
    before = after;
    point.ns.push_back(static_cast<double>(result.ns) / payments);
    cpu.push_back(static_cast<double>(result.by_process[0].cpu_ns) / payments);
  });
  time_calls(team, round, 1, point);
  add_median(point, "payer's processor time, ns", cpu);
  return point;
}

}  // namespace

Curve followers_curve(const Effort& effort) {
  Curve curve{
      .name = "followers",
      .title = "Change feeds beside one who pays as fast as he can",
      .x = "readers of the log",
      .y = "ns per payment, wall clock",
      .series = {{"followers: the ring waits for them"}, {"readers: they skip what they miss"}}};
  for (const uint64_t others : effort.sizes({0, 1, 2, 4, 8}, 2)) {
    curve.series[0].points.push_back(measure(effort, others, true));
    curve.series[1].points.push_back(measure(effort, others, false));
  }
  return curve;
}

}  // namespace casbook::growth
