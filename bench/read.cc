// Reading: one balance, several at one position, the whole book at one position.
#include "cells.h"
#include "floor.h"

namespace casbook::bench {
namespace {

// A book and, past its interface, its cells.
struct OpenBook {
  OpenBook(uint64_t accounts, const Sizes& sizes)
      : own(own_name(), accounts, sizes.payments), cells(own.name(), arena::Access::read_only) {
    (void)Book::destroy(own.name());
  }
  OwnBook own;
  Cells cells;
};

OpenBook& open_book(uint64_t accounts, const Sizes& sizes) {
  static std::map<uint64_t, std::unique_ptr<OpenBook>> books;
  auto& book = books[accounts];
  if (!book) book = std::make_unique<OpenBook>(accounts, sizes);
  return *book;
}

// Whether it is known only when one account was read which is the next, so that every read waits
// for its own cache miss; else the processor overlaps them.
enum class Reads { overlapping, dependent };

// ns of processor time of `count` calls of read(index) for random accounts, which answers a
// balance, never negative.
template <Reads kReads, class Read>
int64_t time_reads(const OpenBook& book, uint64_t count, Random& random, Read&& read) {
  const uint64_t accounts = book.own.accounts().size();
  Amount sum = 0, last = 0;
  const int64_t start = cpu_ns();
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t index = random.below(accounts);
    if (kReads == Reads::dependent) index += static_cast<uint64_t>(last >> 62);  // 0 in fact
    last = read(index);
    sum += last;
  }
  benchmark::DoNotOptimize(sum);
  return cpu_ns() - start;
}

// Plain loads of the balances' lines: the least that reading a balance can cost.
template <Reads kReads>
int64_t time_loads(const OpenBook& book, uint64_t count, Random& random) {
  return time_reads<kReads>(book, count, random, [&](uint64_t index) {
    const commit::Cell& cell = book.cells.account_cell(book.own.accounts()[index].index);
    return static_cast<Amount>(cell.words[book::kAvailable].lo.load_relaxed());
  });
}

constexpr uint64_t kReadsTogether = 2'000;

template <Reads kReads>
void load(benchmark::State& state, uint64_t accounts, const Sizes& sizes) {
  const OpenBook& book = open_book(accounts, sizes);
  Random random(5);
  while (state.KeepRunningBatch(kReadsTogether)) time_loads<kReads>(book, kReadsTogether, random);
}

// In turn with the loads that it is compared with, which are not in its time.
template <Reads kReads>
void balance(benchmark::State& state, uint64_t accounts, const Sizes& sizes) {
  const OpenBook& book = open_book(accounts, sizes);
  Random random(5);
  int64_t loads_ns = 0, balances_ns = 0;
  while (state.KeepRunningBatch(kReadsTogether)) {
    loads_ns += time_loads<kReads>(book, kReadsTogether, random);
    const int64_t ns = time_reads<kReads>(book, kReadsTogether, random, [&](uint64_t index) {
      return book.own.book().balance(book.own.accounts()[index])->available;
    });
    state.SetIterationTime(static_cast<double>(ns) * 1e-9);
    balances_ns += ns;
  }
  const double count = static_cast<double>(state.iterations());
  state.counters["ns_over_load"] = static_cast<double>(balances_ns - loads_ns) / count;
  compare(state, static_cast<double>(balances_ns) / count, Floor::load_8, accounts);
}

void balances(benchmark::State& state, uint64_t accounts, const Sizes& sizes) {
  const OwnBook& own = open_book(accounts, sizes).own;
  Amount sum = 0;
  const double ns = time_loop(state, [&] {
    const auto balances = own.book().balances(own.accounts());
    for (const Balance& balance : *balances) sum += balance.available;
  });
  benchmark::DoNotOptimize(sum);
  state.counters["ns_per_account"] = ns / static_cast<double>(accounts);
  compare(state, ns / static_cast<double>(accounts), Floor::load_8, accounts);
}

void snapshot(benchmark::State& state, uint64_t accounts, const Sizes& sizes) {
  const OwnBook& own = open_book(accounts, sizes).own;
  bool ok = true;
  const double ns = time_loop(state, [&] { ok &= static_cast<bool>(own.book().snapshot()); });
  if (!ok) state.SkipWithError("the ring lapped a snapshot");
  state.counters["ns_per_account"] = ns / static_cast<double>(accounts);
  compare(state, ns / static_cast<double>(accounts), Floor::load_8, accounts);
}

void look_up(benchmark::State& state, uint64_t accounts, const Sizes& sizes) {
  OwnBook& own = open_book(accounts, sizes).own;
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

using Body = void (*)(benchmark::State&, uint64_t, const Sizes&);

auto* add(const std::string& name, Body body, uint64_t accounts, const Sizes& sizes) {
  return benchmark::RegisterBenchmark(
      (name + "/accounts:" + std::to_string(accounts)).c_str(),
      [=, &sizes](benchmark::State& state) { body(state, accounts, sizes); });
}

void register_floors(const Sizes& sizes) {
  for (const uint64_t accounts : {sizes.few, sizes.many}) {
    register_floor(Floor::load_8, accounts);
    add("floor/load_of_the_same_line", load<Reads::overlapping>, accounts, sizes);
    add("floor/load_of_the_same_line_dependent", load<Reads::dependent>, accounts, sizes);
  }
}

void register_benchmarks(const Sizes& sizes) {
  add("balances", balances, sizes.few, sizes);
  for (const uint64_t accounts : {sizes.few, sizes.many}) {
    add("balance", balance<Reads::overlapping>, accounts, sizes)->UseManualTime();
    add("balance_dependent", balance<Reads::dependent>, accounts, sizes)->UseManualTime();
    add("snapshot", snapshot, accounts, sizes);
    add("lookup", look_up, accounts, sizes);
  }
}

}  // namespace
}  // namespace casbook::bench

int main(int argc, char** argv) {
  using namespace casbook::bench;
  return run(argc, argv, register_floors, register_benchmarks);
}
