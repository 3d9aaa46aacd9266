// Two processes (forked, each attached for itself) on the same accounts, beside the floors under
// the same contention. In every iteration the first has a round alone, then both have one.
//
//   alone_per_s, both_per_s   operations per second of all processes: medians of the rounds
//   scaling                   both / alone
//   x_scaling                 scaling / that of two_cas_record_ids on as many accounts
//   x_robust_pair             both_per_s / that of robust_pair on as many accounts
#include <algorithm>
#include <functional>
#include <map>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "floor.h"
#include "own_book.h"

namespace casbook::bench {
namespace {

constexpr uint32_t kProcesses = 2;
constexpr int kRounds = 25;
constexpr int64_t kPatienceNs = 30'000'000'000;

// False: refused.
using Operation = std::function<bool()>;
// Called in the child, after the fork; returns what it is to do.
using Prepare = std::function<Operation(uint32_t process)>;

// Shared with the children.
struct alignas(64) Signals {
  base::AtomicU64 round, start_ns, end_ns;  // by the parent; round: number << 8 | processes
};
struct alignas(64) Report {
  base::AtomicU64 ready, round, operations, ns, refused;  // by one child
};

void nap() {
  const timespec t{.tv_sec = 0, .tv_nsec = 50'000};
  nanosleep(&t, nullptr);
}

class Team {
 public:
  explicit Team(const Prepare& prepare) : signals_(1), reports_(kProcesses) {
    for (uint32_t i = 0; i < kProcesses; ++i) {
      pids_[i] = fork();
      if (pids_[i] < 0) std::abort();
      if (pids_[i] == 0) work(i, prepare);
    }
    for (uint32_t i = 0; i < kProcesses; ++i)
      while (!reports_[i].ready.load_relaxed() && is_alive(i)) nap();
  }
  ~Team() {
    for (const pid_t pid : pids_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }

  // The first `processes` work for `ns`, at the same time. Operations per second of them all; 0
  // when one failed.
  double run_round(uint32_t processes, int64_t ns) {
    constexpr int64_t kGetReadyNs = 1'000'000;
    const int64_t start = now_ns() + kGetReadyNs;
    signals_[0].start_ns.store_relaxed(static_cast<uint64_t>(start));
    signals_[0].end_ns.store_relaxed(static_cast<uint64_t>(start + ns));
    // [round] Release: who sees the round sees what it is.
    const uint64_t round = ++rounds_ << 8 | processes;
    signals_[0].round.store_release(round);
    double rate = 0;
    for (uint32_t i = 0; i < processes; ++i) {
      // [report] Pairs with the child's release.
      while (reports_[i].round.load_acquire() != round) {
        if (!is_alive(i) || now_ns() > start + ns + kPatienceNs) return 0;
        nap();
      }
      if (reports_[i].refused.load_relaxed() != 0) return 0;
      rate += static_cast<double>(reports_[i].operations.load_relaxed()) * 1e9 /
              static_cast<double>(reports_[i].ns.load_relaxed());
    }
    return rate;
  }

 private:
  bool is_alive(uint32_t i) const { return waitpid(pids_[i], nullptr, WNOHANG) == 0; }

  [[noreturn]] void work(uint32_t process, const Prepare& prepare) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const Operation operation = prepare(process);
    Report& report = reports_[process];
    report.ready.store_relaxed(1);
    for (uint64_t done = 0;;) {
      const uint64_t round = signals_[0].round.load_acquire();  // [round]
      if (round == done || process >= (round & 0xff)) {
        nap();
        continue;
      }
      done = round;
      work_one_round(operation, report);
      report.round.store_release(round);  // [report]
    }
  }

  void work_one_round(const Operation& operation, Report& report) {
    constexpr uint64_t kBetweenLooks = 64;  // at the clock
    const auto start = static_cast<int64_t>(signals_[0].start_ns.load_relaxed());
    const auto end = static_cast<int64_t>(signals_[0].end_ns.load_relaxed());
    while (now_ns() < start) base::spin_pause();
    const int64_t begun = now_ns();
    int64_t now = 0;
    uint64_t operations = 0, refused = 0;
    do {
      for (uint64_t i = 0; i < kBetweenLooks; ++i) refused += !operation();
      operations += kBetweenLooks;
    } while ((now = now_ns()) < end);
    report.operations.store_relaxed(operations);
    report.ns.store_relaxed(static_cast<uint64_t>(now - begun));
    report.refused.store_relaxed(refused);
  }

  Lines<Signals> signals_;
  Lines<Report> reports_;
  pid_t pids_[kProcesses];
  uint64_t rounds_ = 0;
};

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

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void measure(benchmark::State& state, const std::string& name, Subject subject, uint64_t accounts,
             const Sizes& sizes) {
  const int64_t round_ns = sizes.is_tiny() ? 500'000 : 20'000'000;
  Prepare prepare = subject(accounts, sizes);
  Team team(prepare);
  prepare = nullptr;
  std::vector<double> alone, both;
  for (auto _ : state) {
    alone.push_back(team.run_round(1, round_ns));
    both.push_back(team.run_round(kProcesses, round_ns));
    state.SetIterationTime(2e-9 * static_cast<double>(round_ns));
    if (alone.back() > 0 && both.back() > 0) continue;
    state.SkipWithError("a process failed, or an operation was refused");
    return;
  }
  const Figures figures{median(alone), median(both)};
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
