// Two processes (forked, each attached for itself) on the same accounts, beside the floors under
// the same contention. In every iteration the first has a round alone, then both have one.
//
//   alone_per_s, both_per_s   operations per second of all processes: medians of the rounds
//   scaling                   both / alone
//   x_scaling                 scaling / that of two_cas_record_ids on as many accounts
//   x_robust_pair             both_per_s / that of robust_pair on as many accounts
#include <map>

#include "own_book.h"
#include "spread.h"
#include "team.h"

namespace casbook::bench {
namespace {

constexpr uint32_t kProcesses = 2;
constexpr int kRounds = 25;

using Operation = Team::Operation;
using Prepare = Team::Prepare;

// Made before the fork: what the processes share.
using Subject = Prepare (*)(uint64_t accounts, const Sizes& sizes);

Prepare two_cas_record(uint64_t accounts, const Sizes&) {
  auto plain = std::make_shared<TwoCasRecord>(accounts);
  return [=](uint32_t process) -> Operation {
    plain->touch_pages();
    auto log = std::make_shared<RecordLog>();
    return [=, random = Random(process + 1)]() mutable {
      plain->transfer(random.two_below(accounts), 1, *log);
      return true;
    };
  };
}

Prepare two_cas_record_ids(uint64_t accounts, const Sizes& sizes) {
  auto plain = std::make_shared<TwoCasRecordIds>(accounts, sizes.payments);
  return [=](uint32_t process) -> Operation {
    plain->touch_pages();
    auto log = std::make_shared<RecordLog>();
    return [=, random = Random(process + 1), id = base::Pair{process, 0}]() mutable {
      ++id.hi;
      return plain->transfer(id, random.two_below(accounts), 1, *log);
    };
  };
}

Prepare robust_pair(uint64_t accounts, const Sizes&) {
  auto locked = std::make_shared<RobustPair>(accounts);
  return [=](uint32_t process) -> Operation {
    locked->touch_pages();
    return [=, random = Random(process + 1)]() mutable {
      locked->transfer(random.two_below(accounts), 1);
      return true;
    };
  };
}

// Everybody attaches by the book's name, which goes with the last copy of the answer. Each process
// takes payment ids of a series of its own.
Prepare pay(uint64_t accounts, const Sizes& sizes) {
  const std::shared_ptr<OwnBook> own(new OwnBook(own_name(), accounts, sizes.payments),
                                     [](OwnBook* book) {
                                       (void)Book::destroy(book->name());
                                       delete book;
                                     });
  return [=](uint32_t process) -> Operation {
    auto book = std::make_shared<Book>(must(Book::attach(own->name())));
    auto session = std::make_shared<Session>(must(book->open_session()));
    return [=, random = Random(process + 1)]() mutable {
      return static_cast<bool>(session->pay(own->payment(random, process + 1)));
    };
  };
}

struct Figures {
  double alone = 0, both = 0;
  double scaling() const { return both / alone; }
};

// Null where it did not run, or not yet.
const Figures* find_figures(const std::string& subject, uint64_t accounts,
                            const Figures* result = nullptr) {
  static std::map<std::pair<std::string, uint64_t>, Figures> results;
  if (result) results[{subject, accounts}] = *result;
  const auto found = results.find({subject, accounts});
  return found == results.end() ? nullptr : &found->second;
}

void measure(benchmark::State& state, const std::string& name, Subject subject, uint64_t accounts,
             const Sizes& sizes) {
  const int64_t round_ns = sizes.is_tiny() ? 500'000 : 20'000'000;
  Team team(subject(accounts, sizes), kProcesses);
  if (!team.grow_to(kProcesses)) return state.SkipWithError("a process could not get ready");
  team.end_growing();
  std::vector<double> alone, both;
  for (auto _ : state) {
    alone.push_back(team.run({.processes = 1, .ns = round_ns}).per_s());
    both.push_back(team.run({.processes = kProcesses, .ns = round_ns}).per_s());
    state.SetIterationTime(2e-9 * static_cast<double>(round_ns));
    if (alone.back() > 0 && both.back() > 0) continue;
    state.SkipWithError("a process failed, or an operation was refused");
    return;
  }
  const Figures figures{spread_of(alone).median, spread_of(both).median};
  find_figures(name, accounts, &figures);
  state.counters["alone_per_s"] = figures.alone;
  state.counters["both_per_s"] = figures.both;
  state.counters["scaling"] = figures.scaling();
  if (subject != pay) return;
  if (const Figures* floor = find_figures("floor/two_cas_record_ids", accounts))
    state.counters["x_scaling"] = figures.scaling() / floor->scaling();
  if (const Figures* floor = find_figures("floor/robust_pair", accounts))
    state.counters["x_robust_pair"] = figures.both / floor->both;
}

void add(const char* name, Subject subject, const Sizes& sizes) {
  for (const uint64_t accounts : {uint64_t{2}, sizes.few, sizes.many})
    benchmark::RegisterBenchmark(
        (std::string(name) + "/accounts:" + std::to_string(accounts)).c_str(),
        [=, &sizes](benchmark::State& state) { measure(state, name, subject, accounts, sizes); })
        ->Iterations(kRounds)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
}

void register_floors(const Sizes& sizes) {
  add("floor/two_cas_record", two_cas_record, sizes);
  add("floor/two_cas_record_ids", two_cas_record_ids, sizes);
  add("floor/robust_pair", robust_pair, sizes);
}

void register_benchmarks(const Sizes& sizes) { add("pay", pay, sizes); }

}  // namespace
}  // namespace casbook::bench

int main(int argc, char** argv) {
  using namespace casbook::bench;
  return run(argc, argv, register_floors, register_benchmarks);
}
