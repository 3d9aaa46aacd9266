// casbook's side of the comparison with a research model, for the script `yardstick`.
//
//   bench_yardstick [--benchmark_min_time=...]    tiny input: one round, to show that it works
//   bench_yardstick --rounds                      one round per line read from stdin
//
// A round times every scenario; each prints one line of JSON: {"scenario", "accounts", "ahead",
// "ns"}, processor time, the median of a few tries. Making the requests is not timed: 256 are made,
// then executed one by one (ahead 1: what each touches is prefetched when its turn comes) or in a
// batch (ahead 8).
#include <algorithm>
#include <iostream>

#include "cells.h"

namespace casbook::bench {
namespace {

constexpr uint64_t kBatch = 256;
constexpr uint64_t kIdEntriesPerPayment = 4;  // in the table of a book
constexpr int kTries = 5;
constexpr timespec kWindow{.tv_sec = 1, .tv_nsec = 50'000'000};  // until ids may be evicted

struct Plan {
  uint64_t accounts;
  uint64_t payments;  // ids that the book is made for
  uint64_t timed;     // operations per try
};

// 64 MiB of ids beside 16 accounts, 256 MiB beside 1 M.
constexpr Plan kPlans[] = {{16, 3 << 16, 50'000}, {1'048'576, 3 << 18, 50'000}};
constexpr Plan kTinyPlans[] = {{16, 10'000, 1'000}, {4'096, 10'000, 1'000}};

// Timed apart from what comes between: ns per operation.
class Stopwatch {
 public:
  template <class Work>
  void time(uint64_t operations, Work&& work) {
    const int64_t start = cpu_ns();
    work();
    ns_ += cpu_ns() - start;
    operations_ += operations;
  }
  uint64_t operations() const { return operations_; }
  double ns() const { return static_cast<double>(ns_) / static_cast<double>(operations_); }

 private:
  int64_t ns_ = 0;
  uint64_t operations_ = 0;
};

void check(bool ok) {
  if (ok) return;
  std::fprintf(stderr, "bench_yardstick: an operation was refused\n");
  std::exit(1);
}

// Transfers between cells, in an arena of their own.
class TransferBench {
 public:
  explicit TransferBench(uint64_t accounts)
      : accounts_(accounts), arena_(accounts), pairs_(kBatch + kAheadMax) {}

  template <class Writer>
  double run(uint64_t operations, uint64_t ahead) {
    const uint32_t session = arena_.open_session();
    bool ok = true;
    Stopwatch watch;
    {
      Transfers<Writer> transfers(arena_, session);
      while (watch.operations() < operations) {
        for (Random::Two& pair : pairs_) pair = random_.two_below(accounts_);
        watch.time(kBatch, [&] {
          for (uint64_t i = 0; ahead > 1 && i < ahead; ++i) transfers.prefetch(pairs_[i]);
          for (uint64_t i = 0; i < kBatch; ++i) {
            transfers.prefetch(pairs_[ahead > 1 ? i + ahead : i]);
            ok &= transfers.transfer(pairs_[i]);
          }
        });
      }
    }
    arena_.close_session(session);
    check(ok);
    return watch.ns();
  }

 private:
  static constexpr uint64_t kAheadMax = 8;

  uint64_t accounts_;
  OwnArena arena_;
  Random random_{9};
  std::vector<Random::Two> pairs_;
};

// Payments: id, lease guard, debit, credit.
class PaymentBench {
 public:
  explicit PaymentBench(const Plan& plan)
      : entries_(plan.payments * kIdEntriesPerPayment),
        own_(plan.accounts, plan.payments),
        lease_(must(own_.session().try_acquire("guard", {.ttl = std::chrono::hours(24)})).lease) {}

  double run(uint64_t operations, uint64_t ahead) {
    Session& session = own_.session();
    bool ok = true;
    Stopwatch watch;
    while (watch.operations() < operations) {
      for (Payment& payment : payments_) payment = own_.payment(random_).guard(lease_);
      watch.time(kBatch, [&] {
        if (ahead > 1)
          session.pay_batch(payments_, answers_);
        else
          for (uint64_t i = 0; i < kBatch; ++i) answers_[i] = session.pay(payments_[i]);
      });
      for (const auto& answer : answers_) ok &= static_cast<bool>(answer);
    }
    check(ok);
    return watch.ns();
  }

  // One part of filling the table of ids with old ones, as a long-lived book's is: to be called
  // once per window, kFills times.
  void fill() { (void)run(entries_ / 4, 8); }
  static constexpr int kFills = 9;

 private:
  uint64_t entries_;
  OwnBook own_;
  Lease lease_;
  Random random_{10};
  std::vector<Payment> payments_{kBatch, Payment(PaymentId{})};
  std::vector<Result<Receipt>> answers_{kBatch, Receipt{}};
};

// All scenarios on as many accounts.
class Bench {
 public:
  explicit Bench(const Plan& plan) : plan_(plan), transfers_(plan.accounts), payments_(plan) {}

  PaymentBench& payments() { return payments_; }

  void run_once() {
    for (const uint64_t ahead : {1, 8}) {
      add("committer", ahead, transfers_.run<commit::Committer>(plan_.timed, ahead));
      add("log_writer", ahead, transfers_.run<log::LogWriter>(plan_.timed, ahead));
      add("payment", ahead, payments_.run(plan_.timed, ahead));
    }
  }
  void print() {
    for (auto& [key, tries] : tries_) {
      std::nth_element(tries.begin(), tries.begin() + tries.size() / 2, tries.end());
      std::printf("{\"scenario\": \"%s\", \"accounts\": %lu, \"ahead\": %lu, \"ns\": %.1f}\n",
                  key.first.c_str(), plan_.accounts, key.second, tries[tries.size() / 2]);
    }
    tries_.clear();
  }

 private:
  void add(const char* scenario, uint64_t ahead, double ns) {
    tries_[{scenario, ahead}].push_back(ns);
  }

  Plan plan_;
  TransferBench transfers_;
  PaymentBench payments_;
  std::map<std::pair<std::string, uint64_t>, std::vector<double>> tries_;
};

void run_round(std::vector<std::unique_ptr<Bench>>& benches, int tries) {
  for (int i = 0; i < tries; ++i) {
    for (const auto& bench : benches) bench->run_once();
    if (tries > 1) nanosleep(&kWindow, nullptr);
  }
  for (const auto& bench : benches) bench->print();
  std::printf("\n");
  std::fflush(stdout);
}

int run_tiny() {
  std::vector<std::unique_ptr<Bench>> benches;
  for (const Plan& plan : kTinyPlans) benches.push_back(std::make_unique<Bench>(plan));
  run_round(benches, 1);
  return 0;
}

int run_rounds() {
  std::vector<std::unique_ptr<Bench>> benches;
  for (const Plan& plan : kPlans) benches.push_back(std::make_unique<Bench>(plan));
  for (int i = 0; i < PaymentBench::kFills; ++i) {
    for (const auto& bench : benches) bench->payments().fill();
    nanosleep(&kWindow, nullptr);
  }
  for (std::string line; std::getline(std::cin, line);) run_round(benches, kTries);
  return 0;
}

}  // namespace
}  // namespace casbook::bench

int main(int argc, char** argv) {
  using namespace casbook::bench;
  return argc > 1 && std::strcmp(argv[1], "--rounds") == 0 ? run_rounds() : run_tiny();
}
