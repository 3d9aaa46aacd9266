// Floors: the least that the hardware lets anybody get away with, measured in the same run, since
// figures of another hour are not comparable on a shared machine.
//
// Accounts are lines of 64 bytes in memory that is touched before. No floor does what casbook does:
// a CAS pair is neither atomic nor safe from a kill, a robust mutex pair is, but leaves the repair
// to whoever comes next.
#pragma once

#include <cerrno>
#include <map>
#include <new>
#include <utility>

#include <pthread.h>
#include <sys/mman.h>

#include "base/atomic.h"
#include "base/hash.h"
#include "book/layout.h"
#include "harness.h"

namespace casbook::bench {

enum class Floor {
  cas_8,               // one compare-and-swap, uncontended
  cas_16,              // the same of two words
  load_8,              // one word of a random account
  robust_lock,         // lock and unlock a robust, process-shared mutex
  robust_pair,         // a transfer under the robust mutexes of two accounts
  two_cas_record,      // a transfer by two plain CAS, and a record of 64 bytes
  two_cas_record_ids,  // the same, and its id into a lock-free set
};

inline const char* floor_name(Floor floor) {
  constexpr const char* kNames[] = {"cas_8",
                                    "cas_16",
                                    "load_8",
                                    "robust_lock",
                                    "robust_pair",
                                    "two_cas_record",
                                    "two_cas_record_ids"};
  return kNames[static_cast<int>(floor)];
}

// The first touch of each page by this process, for writing: adds 0 to a word of it. That a page is
// in the page table is not enough where a hypervisor keeps page tables of its own: it enters what
// it sees touched, and what it saw read again when it is written.
inline void touch_for_writing(std::byte* first, uint64_t bytes) {
  constexpr uint64_t kPageBytes = 4096;
  for (uint64_t offset = 0; offset < bytes; offset += kPageBytes)
    reinterpret_cast<base::AtomicU64*>(first + offset)->add_relaxed(0);  // no value is used
}

// Zeroed, populated, shared with children forked later.
template <class T>
class Lines {
 public:
  explicit Lines(uint64_t count) : count_(count) {
    void* memory = mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    items_ = static_cast<T*>(memory);
  }
  ~Lines() { munmap(items_, count_ * sizeof(T)); }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  T& operator[](uint64_t index) const { return items_[index]; }
  uint64_t size() const { return count_; }
  // A forked child would else meet a page fault on each.
  void touch_pages() const {
    touch_for_writing(reinterpret_cast<std::byte*>(items_), count_ * sizeof(T));
  }

 private:
  T* items_;
  uint64_t count_;
};

struct alignas(64) PlainAccount {
  base::AtomicPair balance;
};

struct alignas(128) LockedAccount {
  pthread_mutex_t mutex;
  int64_t balance;
};

struct alignas(64) PlainRecord {
  base::AtomicU64 words[8];
};

inline void make_robust(pthread_mutex_t& mutex) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
}

inline void lock_robust(pthread_mutex_t& mutex) {
  if (pthread_mutex_lock(&mutex) == EOWNERDEAD) pthread_mutex_consistent(&mutex);
}

// A log that wraps, one for each process.
class RecordLog {
 public:
  RecordLog() : records_(kRecords) { records_.touch_pages(); }

  void append(Random::Two pair, uint64_t amount) {
    PlainRecord& record = records_[next_++ % kRecords];
    const uint64_t words[8] = {next_, pair.first, pair.second, amount, 4, 5, 6, 7};
    for (int i = 0; i < 8; ++i) record.words[i].store_relaxed(words[i]);
  }

 private:
  static constexpr uint64_t kRecords = 1 << 16;

  Lines<PlainRecord> records_;
  uint64_t next_ = 0;
};

// A transfer by two CAS, each retried until it succeeds, and a record of it.
class TwoCasRecord {
 public:
  explicit TwoCasRecord(uint64_t accounts) : accounts_(accounts) {}

  void transfer(Random::Two pair, uint64_t amount, RecordLog& log) const {
    change(accounts_[pair.first], 0 - amount);
    change(accounts_[pair.second], amount);
    log.append(pair, amount);
  }
  void touch_pages() const { accounts_.touch_pages(); }

 private:
  static void change(PlainAccount& account, uint64_t delta) {
    for (;;) {
      const uint64_t seen = account.balance.lo.load_relaxed();
      if (account.balance.lo.cas_acq_rel(seen, seen + delta)) return;
    }
  }

  Lines<PlainAccount> accounts_;
};

// Ids of 16 bytes in a table of fixed size: a line holds four, a new one takes the place of the
// oldest. Lock-free, but two that insert the same id at once may both succeed.
class IdSet {
 public:
  // As many bytes as the table of a book made for as many payments.
  explicit IdSet(uint64_t payments)
      : lines_(payments * 4 / book::kBucketEntries * kLinesPerBucket) {}

  void touch_pages() const { lines_.touch_pages(); }
  // `id.hi` grows, from 1. False: it is there already.
  bool insert(base::Pair id) const {
    Line& line = lines_[base::reduce(mix(id), lines_.size())];
    for (;;) {
      base::AtomicPair* place = nullptr;
      base::Pair oldest{0, UINT64_MAX};
      for (base::AtomicPair& entry : line.entries) {
        const base::Pair seen{entry.lo.load_relaxed(), entry.hi.load_relaxed()};
        if (seen == id) return false;
        if (seen.hi < oldest.hi) oldest = seen, place = &entry;
      }
      if (place->cas16_acq_rel(oldest, id)) return true;
    }
  }

 private:
  static constexpr uint64_t kLinesPerBucket = 4;
  struct alignas(64) Line {
    base::AtomicPair entries[4];
  };

  static uint64_t mix(base::Pair id) {
    uint64_t x = id.hi * 0x9e3779b97f4a7c15 ^ id.lo;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
  }

  Lines<Line> lines_;
};

// The same transfer, once per id.
class TwoCasRecordIds {
 public:
  TwoCasRecordIds(uint64_t accounts, uint64_t payments) : plain_(accounts), ids_(payments) {}

  bool transfer(base::Pair id, Random::Two pair, uint64_t amount, RecordLog& log) const {
    if (!ids_.insert(id)) return false;
    plain_.transfer(pair, amount, log);
    return true;
  }
  void touch_pages() const {
    plain_.touch_pages();
    ids_.touch_pages();
  }

 private:
  TwoCasRecord plain_;
  IdSet ids_;
};

// A transfer under two locks, taken in the order of the accounts.
class RobustPair {
 public:
  explicit RobustPair(uint64_t accounts) : accounts_(accounts) {
    for (uint64_t i = 0; i < accounts; ++i) make_robust(accounts_[i].mutex);
  }

  void transfer(Random::Two pair, int64_t amount) const {
    const auto [low, high] = std::minmax(pair.first, pair.second);
    lock_robust(accounts_[low].mutex);
    lock_robust(accounts_[high].mutex);
    accounts_[pair.first].balance -= amount;
    accounts_[pair.second].balance += amount;
    pthread_mutex_unlock(&accounts_[high].mutex);
    pthread_mutex_unlock(&accounts_[low].mutex);
  }
  void touch_pages() const { accounts_.touch_pages(); }
  pthread_mutex_t& mutex(uint64_t index) const { return accounts_[index].mutex; }

 private:
  Lines<LockedAccount> accounts_;
};

// Runs `loop` with an operation of this floor: what a benchmark and the table below share.
template <class Loop>
double run_floor(Floor floor, uint64_t accounts, uint64_t payments, Loop loop) {
  Random random(1);
  RecordLog log;
  PlainAccount own{};
  uint64_t next = 0, sum = 0;
  switch (floor) {
    case Floor::cas_8:
      return loop([&] { own.balance.lo.cas_acq_rel(next, next + 1), ++next; });
    case Floor::cas_16:
      return loop([&] { own.balance.cas16_acq_rel({next, 0}, {next + 1, 0}), ++next; });
    case Floor::load_8: {
      const Lines<PlainAccount> plain(accounts);
      const double ns =
          loop([&] { sum += plain[random.below(accounts)].balance.lo.load_relaxed(); });
      benchmark::DoNotOptimize(sum);
      return ns;
    }
    case Floor::robust_lock: {
      const RobustPair locked(1);
      return loop([&] {
        lock_robust(locked.mutex(0));
        pthread_mutex_unlock(&locked.mutex(0));
      });
    }
    case Floor::robust_pair: {
      const RobustPair locked(accounts);
      return loop([&] { locked.transfer(random.two_below(accounts), 1); });
    }
    case Floor::two_cas_record: {
      const TwoCasRecord plain(accounts);
      return loop([&] { plain.transfer(random.two_below(accounts), 1, log); });
    }
    case Floor::two_cas_record_ids: {
      const TwoCasRecordIds plain(accounts, payments);
      return loop([&] { plain.transfer({1, ++next}, random.two_below(accounts), 1, log); });
    }
  }
  return 0;
}

// Measured when it is first asked for, or by the floor's own benchmark. `payments`: what a set of
// ids has room for.
class FloorTable {
 public:
  static double ns(Floor floor, uint64_t accounts, uint64_t payments) {
    double& entry = table()[{floor, accounts}];
    if (entry == 0) entry = run_floor(floor, accounts, payments, time_briefly);
    return entry;
  }
  static void set(Floor floor, uint64_t accounts, double ns) { table()[{floor, accounts}] = ns; }

 private:
  static constexpr auto time_briefly = [](auto&& operation) {
    constexpr int kOperations = 200'000;
    const int64_t start = cpu_ns();
    for (int i = 0; i < kOperations; ++i) operation();
    return static_cast<double>(cpu_ns() - start) / kOperations;
  };
  static std::map<std::pair<Floor, uint64_t>, double>& table() {
    static std::map<std::pair<Floor, uint64_t>, double> entries;
    return entries;
  }
};

inline void register_floor(Floor floor, uint64_t accounts, uint64_t payments = 0) {
  const std::string name = std::string("floor/") + floor_name(floor) +
                           (accounts > 1 ? "/accounts:" + std::to_string(accounts) : std::string());
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    FloorTable::set(floor, accounts, run_floor(floor, accounts, payments, [&](auto&& operation) {
                      return time_loop(state, operation);
                    }));
  });
}

// Shown as a column: how many times the floor this took.
inline void compare(benchmark::State& state, double ns, Floor floor, uint64_t accounts,
                    uint64_t payments = 0) {
  state.counters[std::string("x_") + floor_name(floor)] =
      ns / FloorTable::ns(floor, accounts, payments);
}

}  // namespace casbook::bench
