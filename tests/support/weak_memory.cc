#include "support/weak_memory.h"

#include <algorithm>
#include <cstring>

namespace casbook::test {

using base::Caller;
using base::Order;
using Effect = OrderedPlace::Effect;

namespace {

template <class T>
T& at(std::vector<T>& list, size_t index) {
  if (list.size() <= index) list.resize(index + 1);
  return list[index];
}

void raise(std::vector<uint32_t>& mine, const std::vector<uint32_t>& other) {
  if (mine.size() < other.size()) mine.resize(other.size());
  for (size_t i = 0; i < other.size(); ++i) mine[i] = std::max(mine[i], other[i]);
}

const char* below_engine(const char* file) {
  const char* found = std::strstr(file, "engine/");
  return found ? found + std::strlen("engine/") : file;
}

bool acquires(Order order) { return order == Order::acquire || order == Order::seq_cst; }
bool releases(Order order) { return order == Order::release || order == Order::seq_cst; }

}  // namespace

const char* effect_name(Effect effect) {
  switch (effect) {
    case Effect::load_acquire:
      return "load";
    case Effect::store_release:
      return "store";
    case Effect::cas_acquire:
      return "cas.acquire";
    case Effect::cas_release:
      return "cas.release";
    case Effect::acquire_fence:
      return "fence.acquire";
    case Effect::release_fence:
      return "fence.release";
    case Effect::none:
      break;
  }
  return "none";
}

// --- processes and views -------------------------------------------------------------------------

void WeakMemory::View::join(const View& other) {
  raise(stores, other.stores);
  raise(times, other.times);
}
uint32_t& WeakMemory::View::of_word(uint32_t word) { return at(stores, word); }
uint32_t& WeakMemory::View::of_process(uint32_t process) { return at(times, process); }

WeakMemory::WeakMemory(uint64_t seed) : random_(seed ^ weakness.seed * 0x9e3779b97f4a7c15) {
  lateness_ = static_cast<Lateness>(random_.below(static_cast<uint64_t>(Lateness::count)));
  late_one_in_ = uint64_t{2} << random_.below(5);
  oldest_one_in_ = 1 + random_.below(4);
  salt_ = random_.next();
}

WeakMemory::~WeakMemory() { base::probes.memory = nullptr; }

uint32_t WeakMemory::add_process() {
  processes_.emplace_back();
  return static_cast<uint32_t>(processes_.size() - 1);
}

void WeakMemory::tell(uint32_t process, uint32_t other) {
  if (process != other) processes_[process].now.join(processes_[other].now);
}

void WeakMemory::run_as(uint32_t process) {
  running_ = process;
  base::probes.memory = process == kNobody ? nullptr : this;
}

WeakMemory::Stamp WeakMemory::newest(const uint64_t* word) const {
  const auto found = numbers_.find(word);
  return found == numbers_.end() ? Stamp{} : words_[found->second].back().stamp;
}

bool WeakMemory::happened_before(const Stamp& stamp) const {
  const Process& process = processes_[running_];
  if (process.is_current || stamp.process == kNobody) return true;
  const auto& times = process.now.times;
  return stamp.process < times.size() && times[stamp.process] >= stamp.time;
}

// --- words ---------------------------------------------------------------------------------------

// A word that was stored to by other means (when it was formatted, or initialised) begins anew:
// nobody reads what was before.
uint32_t WeakMemory::find(const uint64_t* word) {
  const auto [found, is_new] = numbers_.try_emplace(word, static_cast<uint32_t>(words_.size()));
  if (is_new) words_.push_back({Store{*word, nullptr, {}}});
  auto& stores = words_[found->second];
  if (stores.back().value != *word) {
    stores.push_back({*word, nullptr, {}});
    const auto newest = static_cast<uint32_t>(stores.size() - 1);
    for (Process& process : processes_) process.now.of_word(found->second) = newest;
  }
  return found->second;
}

uint32_t WeakMemory::choose(uint32_t word) {
  const auto newest = static_cast<uint32_t>(words_[word].size() - 1);
  const uint32_t oldest = self().now.of_word(word);
  if (oldest == newest || self().is_current) return newest;
  if (!is_late(word)) return newest;
  ++stale_loads_;
  if (lateness_ == Lateness::spells || random_.one_in(oldest_one_in_)) return oldest;
  return oldest + static_cast<uint32_t>(random_.below(newest - oldest));
}

// Never for good: whoever looks again and again sees the newest in the end.
bool WeakMemory::is_late(uint32_t word) {
  switch (lateness_) {
    case Lateness::now_and_then:
    case Lateness::count:
      break;
    case Lateness::some_words:
      return Random(salt_ ^ word).one_in(4) && !random_.one_in(4);
    case Lateness::spells:
      if (time_ >= self().spell_end) {
        self().is_late = random_.one_in(2);
        self().spell_end = time_ + 20 + static_cast<uint32_t>(random_.below(2000));
      }
      return self().is_late && !random_.one_in(64);
  }
  return random_.one_in(late_one_in_);
}

void WeakMemory::take(uint32_t word, uint32_t index, bool is_acquired) {
  Process& process = self();
  process.now.of_word(word) = index;
  const Store& store = words_[word][index];
  if (!store.view) return;
  process.at_acquire_fence.join(*store.view);
  if (is_acquired || process.is_current) process.now.join(*store.view);
}

void WeakMemory::put(uint64_t* address, uint32_t word, uint64_t value, SharedView view) {
  words_[word].push_back({value, std::move(view), {running_, time_}});
  self().now.of_word(word) = static_cast<uint32_t>(words_[word].size() - 1);
  *address = value;
}

// --- accesses ------------------------------------------------------------------------------------

// Whether the order asked for at this place is in force.
bool WeakMemory::has(Effect effect, const Caller& caller) {
  if (weakness.visits)
    ++(*weakness.visits)[{effect, below_engine(caller.file), caller.function, caller.line}];
  const OrderedPlace* dropped = weakness.dropped;
  return !dropped || dropped->line != caller.line || dropped->effect != effect ||
         dropped->file != below_engine(caller.file);
}

uint64_t WeakMemory::load(const uint64_t* address, Order order, Caller caller) {
  self().now.of_process(running_) = ++time_;
  const uint32_t word = find(address);
  const uint32_t index = choose(word);
  take(word, index, acquires(order) && has(Effect::load_acquire, caller));
  return words_[word][index].value;
}

void WeakMemory::store(uint64_t* address, uint64_t value, Order order, Caller caller) {
  self().now.of_process(running_) = ++time_;
  const uint32_t word = find(address);
  const bool is_release = releases(order) && has(Effect::store_release, caller);
  put(address, word, value,
      is_release ? std::make_shared<const View>(self().now) : self().at_release_fence);
}

// True: the swap fails, by a store that is not the newest.
bool WeakMemory::fails_late(uint32_t word, uint64_t expected, bool is_acquired) {
  const uint32_t index = choose(word);
  if (index + 1 == words_[word].size() || words_[word][index].value == expected) return false;
  take(word, index, is_acquired);
  return true;
}

// Of a store that replaces the newest one: its view, and that of what it replaces.
WeakMemory::SharedView WeakMemory::view_of_swap(uint32_t word, bool is_release) {
  const SharedView& replaced = words_[word].back().view;
  const SharedView& fenced = self().at_release_fence;
  if (!is_release && !fenced) return replaced;
  View view = is_release ? self().now : *fenced;
  if (replaced) view.join(*replaced);
  return std::make_shared<const View>(std::move(view));
}

bool WeakMemory::cas(uint64_t* address, uint64_t expected, uint64_t desired, Caller caller) {
  self().now.of_process(running_) = ++time_;
  const uint32_t word = find(address);
  const bool is_acquire = has(Effect::cas_acquire, caller);
  const bool is_release = has(Effect::cas_release, caller);
  if (fails_late(word, expected, is_acquire)) return false;
  take(word, static_cast<uint32_t>(words_[word].size() - 1), is_acquire);
  if (*address != expected) return false;
  put(address, word, desired, view_of_swap(word, is_release));
  return true;
}

bool WeakMemory::cas16(uint64_t* address, const base::Pair& expected, const base::Pair& desired,
                       Caller caller) {
  self().now.of_process(running_) = ++time_;
  const uint32_t lo = find(address), hi = find(address + 1);
  const bool is_acquire = has(Effect::cas_acquire, caller);
  const bool is_release = has(Effect::cas_release, caller);
  if (fails_late(lo, expected.lo, is_acquire)) return false;
  for (const uint32_t word : {lo, hi})
    take(word, static_cast<uint32_t>(words_[word].size() - 1), is_acquire);
  if (address[0] != expected.lo || address[1] != expected.hi) return false;
  // Both stores know of one another: who acquires one has to see the other.
  SharedView replaced_lo = view_of_swap(lo, is_release), replaced_hi = view_of_swap(hi, is_release);
  if (replaced_lo || replaced_hi || is_release) {
    View view;
    for (const SharedView& replaced : {replaced_lo, replaced_hi})
      if (replaced) view.join(*replaced);
    if (is_release) {
      view.of_word(lo) = static_cast<uint32_t>(words_[lo].size());
      view.of_word(hi) = static_cast<uint32_t>(words_[hi].size());
    }
    replaced_lo = replaced_hi = std::make_shared<const View>(std::move(view));
  }
  put(address, lo, desired.lo, replaced_lo);
  put(address + 1, hi, desired.hi, replaced_hi);
  return true;
}

void WeakMemory::add_relaxed(uint64_t* address, uint64_t amount, Caller) {
  self().now.of_process(running_) = ++time_;
  const uint32_t word = find(address);
  take(word, static_cast<uint32_t>(words_[word].size() - 1), false);
  put(address, word, *address + amount, view_of_swap(word, false));
}

void WeakMemory::fence(Order order, Caller caller) {
  Process& process = self();
  process.now.of_process(running_) = ++time_;
  if (acquires(order) && has(Effect::acquire_fence, caller))
    process.now.join(process.at_acquire_fence);
  if (order == Order::seq_cst) {
    process.now.join(at_full_fences_);
    at_full_fences_ = process.now;
  }
  if (releases(order) && has(Effect::release_fence, caller))
    process.at_release_fence = std::make_shared<const View>(process.now);
}

}  // namespace casbook::test
