// Memory as the language promises it and no better: release and acquire, relaxed accesses, fences,
// release sequences and stale reads. A machine for the views of promise-free C11: Kang and others,
// "A promising semantics for relaxed-memory concurrency" (2017), without promises.
//
//   word      every store to it is kept, in modification order
//   process   a view: of each word the oldest store that it may still read
//   store     carries a view: what its reader knows if the reader acquires it
//
// A load returns any store from the reader's view on, by chance: late now and then, late in a few
// words, or in spells in which a process sees next to nothing new. Acquiring joins the store's view
// to the reader's; a relaxed load does so at the reader's next acquire fence. A release store
// carries the view of its process, a relaxed one the view at the last release fence. A
// compare-and-swap that succeeds reads the newest store and passes the view of that one on (the
// release sequence); one that fails is a load, late as any other. The words of a pair are
// loaded one by one, and swapped at once.
//
// What it cannot show: a load that sees a store of the future (a machine may delay a load behind a
// later store), and a store that slips in front of one that another process has made to the same
// word: words that two processes store to and do not swap, the engine has none. The 16-byte swap is
// acquire and release here; the machines make it stronger.
//
// A mutant is one place in the source whose order is dropped: Weakness::dropped.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/atomic.h"
#include "support/random.h"

namespace casbook::test {

// One end of an edge: an accessor at a place, and which of its two orders.
struct OrderedPlace {
  enum class Effect : uint8_t {
    none, load_acquire, store_release, cas_acquire, cas_release, acquire_fence, release_fence,
  };
  Effect effect = Effect::none;
  std::string file, function;  // file: below engine/
  int line = 0;
  auto operator<=>(const OrderedPlace&) const = default;
};
const char* effect_name(OrderedPlace::Effect effect);

// How the schedules from here on see memory. Set by tests, as base::probes.mutant is.
struct Weakness {
  bool is_on = false;
  uint64_t seed = 0;  // mixed with the schedule's
  const OrderedPlace* dropped = nullptr;
  std::map<OrderedPlace, uint64_t>* visits = nullptr;  // counted, where set
};
inline Weakness weakness;

class WeakMemory final : public base::MemoryModel {
 public:
  explicit WeakMemory(uint64_t seed);
  ~WeakMemory();

  // A new process; it knows memory as it was when the model began.
  uint32_t add_process();
  // `process` knows what `other` knows: that it ended has been proven to it.
  void tell(uint32_t process, uint32_t other);
  // Who makes the accesses from here on; kNobody: the test, which sees the memory as it is.
  static constexpr uint32_t kNobody = UINT32_MAX;
  void run_as(uint32_t process);
  // From here on the process sees the newest store of every word.
  void synchronise(uint32_t process) { processes_[process].is_current = true; }

  // A store and who made it; whether it happened before what the running process does now.
  struct Stamp {
    uint32_t process = kNobody;
    uint64_t time = 0;
  };
  Stamp newest(const uint64_t* word) const;
  bool happened_before(const Stamp& stamp) const;

  uint64_t stale_loads() const { return stale_loads_; }

  uint64_t load(const uint64_t* word, base::Order order, base::Caller caller) override;
  void store(uint64_t* word, uint64_t value, base::Order order, base::Caller caller) override;
  bool cas(uint64_t* word, uint64_t expected, uint64_t desired, base::Caller caller) override;
  bool cas16(uint64_t* words, const base::Pair& expected, const base::Pair& desired,
             base::Caller caller) override;
  void add_relaxed(uint64_t* word, uint64_t amount, base::Caller caller) override;
  void fence(base::Order order, base::Caller caller) override;

 private:
  // Of each word the index of a store; of each process (`times`) the time of its last step.
  struct View {
    std::vector<uint32_t> stores;
    std::vector<uint32_t> times;
    void join(const View& other);
    uint32_t& of_word(uint32_t word);
    uint32_t& of_process(uint32_t process);
  };
  using SharedView = std::shared_ptr<const View>;
  struct Store {
    uint64_t value;
    SharedView view;  // null: nothing is known by it
    Stamp stamp;
  };
  struct Process {
    View now, at_acquire_fence;
    SharedView at_release_fence;
    bool is_current = false;
    bool is_late = false;  // in a spell
    uint32_t spell_end = 0;
  };

  uint32_t find(const uint64_t* word);
  Process& self() { return processes_[running_]; }
  uint32_t choose(uint32_t word);
  bool is_late(uint32_t word);
  void take(uint32_t word, uint32_t index, bool acquires);
  void put(uint64_t* address, uint32_t word, uint64_t value, SharedView view);
  bool fails_late(uint32_t word, uint64_t expected, bool acquires);
  SharedView view_of_swap(uint32_t word, bool releases);
  bool has(OrderedPlace::Effect effect, const base::Caller& caller);

  Random random_;
  enum class Lateness : uint8_t { now_and_then, some_words, spells, count } lateness_;
  uint64_t late_one_in_, oldest_one_in_, salt_;
  uint32_t running_ = kNobody;
  uint32_t time_ = 0;
  uint64_t stale_loads_ = 0;
  std::unordered_map<const uint64_t*, uint32_t> numbers_;
  std::vector<std::vector<Store>> words_;
  std::vector<Process> processes_;
  View at_full_fences_;
};

}  // namespace casbook::test
