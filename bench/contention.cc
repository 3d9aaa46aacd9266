// One and two processes (forked, each attached for itself) that pay on the same accounts, beside
// the floors under the same contention. The figure to read is items_per_second: of all processes.
#include <algorithm>
#include <functional>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "floor.h"
#include "own_book.h"

namespace casbook::bench {
namespace {

constexpr uint32_t kProcessesMax = 2;
constexpr int64_t kPatienceNs = 30'000'000'000;

// Shared with the children. Rounds are numbered from 1.
struct alignas(64) Signals {
  base::AtomicU64 round, operations;  // by the parent
};
struct alignas(64) Report {
  base::AtomicU64 ready, round, start_ns, end_ns, refused;  // by one child
};

void nap() {
  const timespec t{.tv_sec = 0, .tv_nsec = 50'000};
  nanosleep(&t, nullptr);
}

// False: refused.
using Operation = std::function<bool()>;

// Children that do `operations` each per round, at the same time. They stand still between
// benchmarks.
class Team {
 public:
  // Called in the child, after the fork; returns what it is to do.
  using Prepare = std::function<Operation(uint32_t process)>;

  Team(uint32_t processes, const Prepare& prepare) : signals_(1), reports_(processes) {
    for (uint32_t i = 0; i < processes; ++i) {
      const pid_t pid = fork();
      if (pid < 0) std::abort();
      if (pid == 0) work(i, prepare(i));
      pids_.push_back(pid);
    }
    for (uint32_t i = 0; i < processes; ++i)
      while (!reports_[i].ready.load_relaxed() && is_alive(i)) nap();
    pause();
  }
  ~Team() {
    for (const pid_t pid : pids_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }

  void resume() { signal_all(SIGCONT); }
  void pause() { signal_all(SIGSTOP); }

  // Seconds from the first start to the last end; 0 when a child failed.
  double run_round(uint64_t operations) {
    signals_[0].operations.store_relaxed(operations);
    // [round] Release: who sees the round sees how much it is.
    signals_[0].round.store_release(++round_);
    uint64_t start = UINT64_MAX, end = 0;
    const int64_t patience = now_ns() + kPatienceNs;
    for (uint32_t i = 0; i < pids_.size(); ++i) {
      // [report] Pairs with the child's release.
      while (reports_[i].round.load_acquire() != round_) {
        if (!is_alive(i) || now_ns() > patience) return 0;
        nap();
      }
      start = std::min(start, reports_[i].start_ns.load_relaxed());
      end = std::max(end, reports_[i].end_ns.load_relaxed());
      if (reports_[i].refused.load_relaxed() != 0) return 0;
    }
    return static_cast<double>(end - start) * 1e-9;
  }

 private:
  bool is_alive(uint32_t i) const { return waitpid(pids_[i], nullptr, WNOHANG) == 0; }

  void signal_all(int number) {
    for (const pid_t pid : pids_) kill(pid, number);
  }

  [[noreturn]] void work(uint32_t process, const Operation& operation) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    Report& report = reports_[process];
    report.ready.store_relaxed(1);
    for (uint64_t round = 1;; ++round) {
      while (signals_[0].round.load_acquire() != round) nap();  // [round]
      const uint64_t operations = signals_[0].operations.load_relaxed();
      report.start_ns.store_relaxed(static_cast<uint64_t>(now_ns()));
      uint64_t refused = 0;
      for (uint64_t i = 0; i < operations; ++i) refused += !operation();
      report.end_ns.store_relaxed(static_cast<uint64_t>(now_ns()));
      report.refused.store_relaxed(refused);
      report.round.store_release(round);  // [report]
    }
  }

  Lines<Signals> signals_;
  Lines<Report> reports_;
  std::vector<pid_t> pids_;
  uint64_t round_ = 0;
};

uint64_t operations_per_round(const Sizes& sizes) { return sizes.many / 50; }

void measure(benchmark::State& state, uint32_t processes, const Sizes& sizes, Team& team) {
  const uint64_t operations = operations_per_round(sizes);
  team.resume();
  for (auto _ : state) {
    const double seconds = team.run_round(operations);
    if (seconds == 0) {
      state.SkipWithError("a process failed, or an operation was refused");
      break;
    }
    state.SetIterationTime(seconds);
  }
  team.pause();
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * operations * processes));
}

// A book and its payers, alone and together. Everybody attaches by its name, which is gone then.
class Payers {
 public:
  Payers(uint64_t accounts, const Sizes& sizes)
      : own_(own_name(), accounts, sizes.payments),
        alone_(team(1, 1)),
        both_(team(kProcessesMax, 2)) {
    (void)Book::destroy(own_.name());
  }
  Team& of(uint32_t processes) { return processes == 1 ? *alone_ : *both_; }

 private:
  // Each process takes payment ids of a series of its own.
  std::unique_ptr<Team> team(uint32_t processes, uint64_t first_series) {
    return std::make_unique<Team>(processes, [=, this](uint32_t process) -> Operation {
      auto book = std::make_shared<Book>(must(Book::attach(own_.name())));
      auto session = std::make_shared<Session>(must(book->open_session()));
      auto random = std::make_shared<Random>(static_cast<uint64_t>(getpid()));
      const uint64_t series = first_series + process;
      return [=, this] { return static_cast<bool>(session->pay(own_.payment(*random, series))); };
    });
  }

  OwnBook own_;
  std::unique_ptr<Team> alone_, both_;
};

void pay(benchmark::State& state, uint32_t processes, uint64_t accounts, const Sizes& sizes) {
  static std::map<uint64_t, std::unique_ptr<Payers>> books;
  auto& payers = books[accounts];
  if (!payers) payers = std::make_unique<Payers>(accounts, sizes);
  measure(state, processes, sizes, payers->of(processes));
}

void two_cas_record(benchmark::State& state, uint32_t processes, uint64_t accounts,
                    const Sizes& sizes) {
  const TwoCasRecord plain(accounts);
  Team team(processes, [&](uint32_t process) -> Operation {
    auto random = std::make_shared<Random>(process + 1);
    auto next = std::make_shared<uint64_t>(process * 1000);
    return [=, &plain] {
      plain.transfer(random->two_below(accounts), 1, *next);
      return true;
    };
  });
  measure(state, processes, sizes, team);
}

void robust_pair(benchmark::State& state, uint32_t processes, uint64_t accounts,
                 const Sizes& sizes) {
  const RobustPair locked(accounts);
  Team team(processes, [&](uint32_t process) -> Operation {
    auto random = std::make_shared<Random>(process + 1);
    return [=, &locked] {
      locked.transfer(random->two_below(accounts), 1);
      return true;
    };
  });
  measure(state, processes, sizes, team);
}

using Body = void (*)(benchmark::State&, uint32_t, uint64_t, const Sizes&);

void add(const char* name, Body body, uint32_t processes, uint64_t accounts, const Sizes& sizes) {
  benchmark::RegisterBenchmark((std::string(name) + "/accounts:" + std::to_string(accounts) +
                                "/processes:" + std::to_string(processes))
                                   .c_str(),
                               body, processes, accounts, sizes)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

void register_all(const char* name, Body body, const Sizes& sizes) {
  for (const uint64_t accounts : {uint64_t{2}, sizes.few, sizes.many})
    for (const uint32_t processes : {1u, kProcessesMax})
      add(name, body, processes, accounts, sizes);
}

void register_floors(const Sizes& sizes) {
  register_all("floor/two_cas_record", two_cas_record, sizes);
  register_all("floor/robust_pair", robust_pair, sizes);
}

void register_benchmarks(const Sizes& sizes) { register_all("pay", pay, sizes); }

}  // namespace
}  // namespace casbook::bench

int main(int argc, char** argv) {
  using namespace casbook::bench;
  return run(argc, argv, register_floors, register_benchmarks);
}
