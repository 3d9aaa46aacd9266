// Reading: one balance, several at one position, the whole book at one position.
#include "floor.h"
#include "own_book.h"

namespace casbook::bench {
namespace {

void balance(benchmark::State& state, uint64_t accounts, const Sizes& sizes) {
  const OwnBook& own = shared_book(accounts, sizes);
  Random random(5);
  Amount sum = 0;
  const double ns = time_loop(
      state, [&] { sum += own.book().balance(own.accounts()[random.below(accounts)])->available; });
  benchmark::DoNotOptimize(sum);
  compare(state, ns, Floor::load_8, accounts);
}

void balances_of_16(benchmark::State& state, const Sizes& sizes) {
  const OwnBook& own = shared_book(sizes.few, sizes);
  Amount sum = 0;
  const double ns = time_loop(state, [&] {
    const auto balances = own.book().balances(own.accounts());
    for (const Balance& balance : *balances) sum += balance.available;
  });
  benchmark::DoNotOptimize(sum);
  state.counters["ns_per_account"] = ns / static_cast<double>(sizes.few);
  compare(state, ns / static_cast<double>(sizes.few), Floor::load_8, sizes.few);
}

void snapshot(benchmark::State& state, uint64_t accounts, const Sizes& sizes) {
  const OwnBook& own = shared_book(accounts, sizes);
  bool ok = true;
  const double ns = time_loop(state, [&] { ok &= static_cast<bool>(own.book().snapshot()); });
  if (!ok) state.SkipWithError("the ring lapped a snapshot");
  state.counters["ns_per_account"] = ns / static_cast<double>(accounts);
  compare(state, ns / static_cast<double>(accounts), Floor::load_8, accounts);
}

void look_up(benchmark::State& state, uint64_t accounts, const Sizes& sizes) {
  OwnBook& own = shared_book(accounts, sizes);
  Random random(6);
  std::vector<PaymentId> ids;
  for (int i = 0; i < 1000; ++i) {
    const Payment payment = own.payment(random);
    must(own.session().pay(payment));
    ids.push_back(payment.id());
  }
  bool ok = true;
  time_loop(state,
            [&] { ok &= static_cast<bool>(own.book().lookup(ids[random.below(ids.size())])); });
  if (!ok) state.SkipWithError("a payment was not found");
}

void register_floors(const Sizes& sizes) {
  register_floor(Floor::load_8, sizes.few);
  register_floor(Floor::load_8, sizes.many);
}

void register_benchmarks(const Sizes& sizes) {
  const auto add = [](const std::string& name, uint64_t accounts, auto body) {
    benchmark::RegisterBenchmark((name + "/accounts:" + std::to_string(accounts)).c_str(), body);
  };
  add("balances", 16, [&sizes](benchmark::State& state) { balances_of_16(state, sizes); });
  for (const uint64_t accounts : {sizes.few, sizes.many}) {
    add("balance", accounts,
        [=, &sizes](benchmark::State& state) { balance(state, accounts, sizes); });
    add("snapshot", accounts,
        [=, &sizes](benchmark::State& state) { snapshot(state, accounts, sizes); });
    add("lookup", accounts,
        [=, &sizes](benchmark::State& state) { look_up(state, accounts, sizes); });
  }
}

}  // namespace
}  // namespace casbook::bench

int main(int argc, char** argv) {
  using namespace casbook::bench;
  return run(argc, argv, register_floors, register_benchmarks);
}
