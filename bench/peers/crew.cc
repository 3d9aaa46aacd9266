#include "peers/crew.h"

#include <algorithm>
#include <csignal>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace casbook::peers {
namespace {

constexpr int64_t kGetReadyNs = 2'000'000;  // from the order to the common start
constexpr int kPatienceMs = 60'000;         // for a round's end, beyond its length
constexpr uint32_t kBetweenLooksMax = 32;   // operations between two looks at the clock
constexpr int64_t kLookEveryNs = 50'000;    // they may take so long

}  // namespace

Crew::Crew(Design& design, uint32_t callers, int64_t handicap_ns)
    : design_(design), reports_(callers), members_(callers), handicap_(handicap_ns) {
  for (uint32_t i = 0; i < callers; ++i) {
    Member& member = members_[i];
    if (pipe(member.orders) != 0 || pipe(member.answers) != 0) std::abort();
    if (design.about().is_one_process) {
      member.thread = std::thread([this, i] { serve(i); });
    } else if (member.pid = fork(); member.pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      serve(i);
      _exit(0);
    }
    if (!is_answered(member)) why_ = "a caller could not connect";
  }
}

Crew::~Crew() {
  for (Member& member : members_) {
    const Order end{};
    const bool is_told = write(member.orders[1], &end, sizeof(end)) == sizeof(end);
    if (member.thread.joinable()) member.thread.join();
    if (member.pid > 0 && !(is_told && is_answered(member))) kill(member.pid, SIGKILL);
    if (member.pid > 0) waitpid(member.pid, nullptr, 0);
    for (const int fd : {member.orders[0], member.orders[1], member.answers[0], member.answers[1]})
      close(fd);
  }
}

RoundResult Crew::run(const Round& round) {
  const Order order{round, bench::now_ns() + kGetReadyNs};
  RoundResult result;
  for (uint32_t i = 0; i < round.callers; ++i)
    if (write(members_[i].orders[1], &order, sizeof(order)) != sizeof(order))
      result.why = "a caller has ended";
  // All are waited for, whatever the first says: else the next round would get an answer to this.
  for (uint32_t i = 0; i < round.callers; ++i) {
    const Report& report = reports_[i];
    if (!is_answered(members_[i]))
      result.why = "a caller has ended, or did not come to an end";
    else if (report.is_failed.load_relaxed() != 0)
      result.why = "a call failed";
    result.per_s += static_cast<double>(report.operations.load_relaxed()) * 1e9 /
                    static_cast<double>(std::max<uint64_t>(1, report.ns.load_relaxed()));
    result.busy += report.busy.load_relaxed();
    if (round.is_timed) result.latencies.add(report.latencies);
  }
  if (!result.why.empty()) result.per_s = 0;
  return result;
}

bool Crew::is_answered(Member& member) {
  pollfd answer{.fd = member.answers[0], .events = POLLIN};
  char text = 0;
  // A child that dies leaves our own write end open, so its death is looked for.
  for (int waited_ms = 0; waited_ms < kPatienceMs; waited_ms += 100) {
    if (poll(&answer, 1, 100) > 0) return read(member.answers[0], &text, 1) == 1 && text == 'y';
    if (member.pid > 0 && waitpid(member.pid, nullptr, WNOHANG) == member.pid) {
      member.pid = 0;
      return false;
    }
  }
  return false;
}

// In the child, or the thread.
void Crew::serve(uint32_t number) {
  Member& member = members_[number];
  const std::unique_ptr<Caller> caller = design_.connect();
  const auto answer = [&](char text) { return write(member.answers[1], &text, 1) == 1; };
  if (!answer(caller ? 'y' : 'n') || !caller) return;
  if (member.pid == 0 && !design_.about().is_one_process) reports_.touch_pages();
  for (Order order; read(member.orders[0], &order, sizeof(order)) == sizeof(order);) {
    if (order.round.ns > 0) work(*caller, number, order);
    if (!answer('y') || order.round.ns == 0) return;
  }
}

void Crew::work(Caller& caller, uint32_t number, const Order& order) {
  const Round& round = order.round;
  Report& report = reports_[number];
  Member& member = members_[number];
  bench::Random random(static_cast<uint64_t>(order.start_ns) + number);
  uint64_t operations = 0, busy = 0, failed = 0;
  if (member.paid == 0) member.paid = uint64_t{number + 1} << 40;
  if (round.is_timed) report.latencies = {};
  const auto one = [&] {
    const auto [from, to] = random.two_below(round.accounts);
    const auto a = static_cast<uint32_t>(from), b = static_cast<uint32_t>(to);
    if (round.work == Work::floor) return caller.floor_round() ? Answer::paid : Answer::failed;
    if (round.work == Work::lock) return caller.lock_unlock(a, b) ? Answer::paid : Answer::busy;
    handicap_.burn();
    return caller.pay({.id = ++member.paid, .from = a, .to = b, .amount = 1}, {});
  };
  const auto count = [&](Answer answer) {
    operations += answer == Answer::paid;
    busy += answer == Answer::busy;
    failed += answer != Answer::paid && answer != Answer::busy;
  };
  while (bench::now_ns() < order.start_ns) base::spin_pause();
  const int64_t begun = bench::now_ns(), end = order.start_ns + round.ns;
  int64_t now = begun;
  uint32_t between_looks = 1;
  do {
    const int64_t before = now;
    for (uint32_t i = 0; i < between_looks; ++i) count(one());
    now = bench::now_ns();
    if (round.is_timed)
      report.latencies.add(now - before);
    else if (now - before < kLookEveryNs && between_looks < kBetweenLooksMax)
      between_looks *= 2;
  } while (now < end && failed == 0);
  report.operations.store_relaxed(operations);
  report.busy.store_relaxed(busy);
  report.is_failed.store_relaxed(failed);
  report.ns.store_relaxed(static_cast<uint64_t>(now - begun));
}

}  // namespace casbook::peers
