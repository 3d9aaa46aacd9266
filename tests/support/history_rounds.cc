#include "support/history_rounds.h"

#include "support/history_window.h"
#include "support/strike.h"

namespace casbook::test_support {
namespace {

constexpr uint32_t kCallsEach = 8;
constexpr uint64_t kIds = 8;  // of a round: most are sent more than once
constexpr uint64_t kIdsBetweenRounds = 1000;
constexpr uint64_t kDelaysOneIn = 60;
constexpr int64_t kTogetherNs = 300'000;  // all are awake by then, and begin at once
constexpr uint64_t kAccessesMax = 1500;   // of a caller, some

CreateOptions options() {
  CreateOptions options = small_options();
  options.accounts = 2 * HistoryRounds::kRoundsMax + 8;
  options.payments = 20'000;
  options.leases = 2 * HistoryRounds::kRoundsMax;
  options.records = 1 << 13;
  return options;
}

}  // namespace

HistoryRounds::HistoryRounds(uint64_t seed, base::Mutant mutant)
    : random_(seed), mutant_(mutant), book_(options()), reader_(must(book_.book.read_log())) {
  for (uint32_t i = 0; i < 2 * kRoundsMax; ++i)
    accounts_.push_back(book_.open("account " + std::to_string(i)));
}

std::vector<Account> HistoryRounds::accounts_of(uint32_t round) const {
  return {book_.world, accounts_[2 * round], accounts_[2 * round + 1]};
}

// Stays until the round is over: a bound lease is free when its owner ends.
void HistoryRounds::be_caller(uint32_t number, uint64_t seed, bool is_struck) {
  test::Random random(seed);
  Book book = book_.attach();
  HistoryCaller caller(*world_, book, must(book.open_session()), accounts_of(round_),
                       {.process = number});
  base::probes.mutant = mutant_;
  if (is_struck) arm({.nth = 1 + random.below(kAccessesMax)});
  delay_now_and_then(kDelaysOneIn, seed);
  ++gate_->ready;
  while (gate_->begin_ns == 0) sleep_us(50);
  while (monotonic_ns() < gate_->begin_ns) base::spin_pause();
  for (uint32_t i = 0; i < kCallsEach; ++i)
    caller.call_at_random(random, round_ * kIdsBetweenRounds + random.below(kIds), round_);
  disarm();
  ++gate_->finished;
  while (gate_->is_over == 0) sleep_us(50);
}

// Those that were killed.
std::set<uint32_t> HistoryRounds::run_callers(uint64_t seed) {
  const auto count = static_cast<uint32_t>(3 + seed % 2);
  const uint32_t struck = seed / 2 % 2 == 0 ? static_cast<uint32_t>(seed / 4 % count) : count;
  gate_->ready = gate_->finished = gate_->is_over = 0, gate_->begin_ns = 0;
  std::vector<Child> callers;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t number = ++processes_;
    callers.emplace_back([this, number, seed, i, struck] {
      be_caller(number, seed ^ number * 0x9e3779b97f4a7c15, i == struck);
    });
  }
  require(await([&] { return gate_->ready == count; }), "a caller did not begin");
  gate_->begin_ns = monotonic_ns() + kTogetherNs;
  std::set<uint32_t> dead;
  require(await([&] {
            for (uint32_t i = 0; i < count; ++i)
              if (callers[i].has_ended()) dead.insert(processes_ - count + 1 + i);
            return dead.size() + gate_->finished >= count;
          }),
          "a caller does not end");
  look_at_the_end();
  gate_->is_over = 1;
  for (Child& caller : callers) caller.wait();
  kills_ += dead.size();
  return dead;
}

// What nobody may have done unseen.
void HistoryRounds::look_at_the_end() {
  HistoryCaller caller(*world_, book_.book, must(book_.book.open_session()), accounts_of(round_),
                       {.process = 0});
  for (const uint32_t account : {1, 2}) caller.read_latest(account), caller.peek(account);
  caller.acquire(round_, std::chrono::milliseconds(10'000), true);
}

std::string HistoryRounds::run_round() {
  const uint64_t first = world_->board.count();
  const std::set<uint32_t> dead = run_callers(random_.next());
  ++round_;
  const auto list = linear_calls(world_->board.calls(first), book_.world.index, dead);
  if (list.size() > kLinearCallsMax) return ++too_long_, "";
  const std::string problem = check_linearizable(list);
  return problem.empty() ? "" : problem + "\n" + text_of(list);
}

std::vector<std::string> HistoryRounds::check() {
  must(witness_.take_all(reader_));
  std::vector<std::string> problems = check_history(calls(), witness_.log(), book_.world.index);
  if (world_->unexpected != 0) problems.push_back("there was an answer that must not be");
  return problems;
}

}  // namespace casbook::test_support
