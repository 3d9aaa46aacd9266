#include "replicated/paced_payer.h"

#include <thread>

#include <sys/wait.h>

namespace casbook::bench {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);
constexpr uint64_t kSeries = 500;  // no other payer's

}  // namespace

PacedPayer::PacedPayer(const ServedCluster& cluster, uint32_t host, int64_t every_ns)
    : state_(1), ns_(kPhases * kCallsMax) {
  payer_ = cluster.start_on(host, [&] { pay(cluster, every_ns); });
}

PacedPayer::~PacedPayer() { stop(); }

void PacedPayer::pay(const ServedCluster& cluster, int64_t every_ns) const {
  State& state = state_[0];
  Book book = must(Book::attach(cluster.name()));
  const std::vector<Account> accounts = accounts_of(book, cluster.accounts());
  Session session = must(book.open_session());
  Random random(kSeries);
  int64_t due = now_ns();
  for (uint64_t number = 1; state.must_stop.load_relaxed() == 0; due += every_ns) {
    const int64_t left = due - now_ns();
    if (left > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(left));
    const uint64_t phase = state.phase.load_relaxed();
    const uint64_t count = state.counts[phase].load_relaxed();
    if (count >= kCallsMax) return;
    // Who sleeps wakes late: that is the kernel's time, not the payment's.
    const int64_t start = left > 0 ? now_ns() : due;
    if (!session.pay(transfer(accounts, random, kSeries, number++), Level::durable, kPatience))
      return state.has_failed.store_relaxed(1);
    ns_[phase * kCallsMax + count] = now_ns() - start;
    state.counts[phase].store_relaxed(count + 1);
  }
}

void PacedPayer::begin(uint32_t phase) { state_[0].phase.store_relaxed(phase); }

bool PacedPayer::has_failed() const { return state_[0].has_failed.load_relaxed() != 0; }

void PacedPayer::stop() {
  if (payer_ <= 0) return;
  state_[0].must_stop.store_relaxed(1);
  waitpid(payer_, nullptr, 0);
  payer_ = 0;
}

Latencies PacedPayer::end(uint32_t phase) {
  stop();
  Latencies latencies;
  const uint64_t count = state_[0].counts[phase].load_relaxed();
  for (uint64_t i = 0; i < count; ++i) latencies.add(ns_[phase * kCallsMax + i]);
  return latencies;
}

}  // namespace casbook::bench
