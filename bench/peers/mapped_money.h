// Money of the designs that bring no store: a file of /dev/shm, mapped by all callers. It is the
// least that a team would write: a row for each account, a table of ids, no log.
//
// Balances and ids are changed by who holds the locks of the accounts. Ids of different pairs meet
// in the table, so they go in by compare-and-swap.
//
// Intents are the safe form, for locks that the kernel frees when their holder dies. Both rows
// first say what they will hold, then which payment does it. Who gets a lock and finds a row that
// says so finishes the payment, with both locks:
//
//   died in                      one id  other     the next one
//   writing what will be         0       0         ignores it: nothing has happened
//   between the two ids          id      0         clears: nothing has happened
//   moving or noting             id      id        writes both balances, notes, clears
//   between the two clearings    id      0         clears: everything has happened
#pragma once

#include <string>
#include <utility>

#include "base/atomic.h"
#include "peers/design.h"

namespace casbook::peers {

struct alignas(64) Row {
  base::AtomicU64 funds;
  base::AtomicU64 intent_id, intent_other, intent_funds;
};

class MappedMoney {
 public:
  MappedMoney() = default;
  ~MappedMoney();
  MappedMoney(const MappedMoney&) = delete;
  MappedMoney& operator=(const MappedMoney&) = delete;

  // What is in the way. The file's name is gone as soon as it is mapped; forked processes have it.
  std::string make(const Shape& shape);
  // A forked process would else meet a page fault on each page.
  void touch_pages() const;

  int64_t funds(uint32_t account) const {
    return static_cast<int64_t>(rows_[account].funds.load_relaxed());
  }
  void set_funds(uint32_t account, int64_t funds) const {
    // Release: stores keep their order for whoever looks after this process was killed.
    rows_[account].funds.store_release(static_cast<uint64_t>(funds));  // [money]
  }
  bool is_noted(uint64_t id) const;
  // False: it was there, or the table is full.
  bool note(uint64_t id) const;
  void forget() const;
  Audit audit() const;

  // With both locks held.
  void intend(const Transfer& transfer) const;
  void clear_intent(const Transfer& transfer) const;
  // The other account of what a dead holder left here; -1: nothing.
  int64_t intent_of(uint32_t account) const;
  // Finishes or clears it, with the locks of both.
  void finish_intent(uint32_t account, uint32_t other) const;

 private:
  // Twice as many as there are ids at most: probing stays short.
  uint64_t slot_of(uint64_t id) const { return (id * 0x9e3779b97f4a7c15) >> shift_; }

  Row* rows_ = nullptr;
  base::AtomicU64* ids_ = nullptr;
  uint64_t accounts_ = 0, slots_ = 0, bytes_ = 0;
  int shift_ = 0;
};

// A payment over it. `Lock` has bool lock(uint32_t account), false: not in time; void unlock(); and
// bool round() for the floor.
template <class Lock>
class MappedCaller : public Caller {
 public:
  MappedCaller(const MappedMoney& money, Lock lock, bool has_intents)
      : money_(money), lock_(std::move(lock)), has_intents_(has_intents) {
    money_.touch_pages();
  }

  Answer pay(const Transfer& transfer, const StepHook& hook) override {
    if (!lock_pair(transfer.from, transfer.to)) return Answer::busy;
    const Answer answer = pay_locked(transfer, hook);
    unlock_pair(transfer.from, transfer.to);
    return answer;
  }
  bool lock_unlock(uint32_t a, uint32_t b) override {
    if (!lock_pair(a, b)) return false;
    unlock_pair(a, b);
    return true;
  }
  bool floor_round() override { return lock_.round(); }
  int64_t funds(uint32_t account) override { return money_.funds(account); }
  bool is_noted(uint64_t id) override { return money_.is_noted(id); }
  Audit audit() override { return money_.audit(); }

 private:
  Answer pay_locked(const Transfer& transfer, const StepHook& hook) const {
    hook(Step::locked);
    if (money_.is_noted(transfer.id)) return Answer::replayed;
    const int64_t from = money_.funds(transfer.from), to = money_.funds(transfer.to);
    if (from < transfer.amount) return Answer::refused;
    hook(Step::checked);
    if (has_intents_) money_.intend(transfer);
    money_.set_funds(transfer.from, from - transfer.amount);
    hook(Step::half_moved);
    money_.set_funds(transfer.to, to + transfer.amount);
    hook(Step::moved);
    const bool is_noted = money_.note(transfer.id);
    hook(Step::noted);
    if (has_intents_) money_.clear_intent(transfer);
    return is_noted ? Answer::paid : Answer::failed;
  }

  bool lock_pair(uint32_t a, uint32_t b) {
    for (;;) {
      if (!lock_both(a, b)) return false;
      if (!has_intents_) return true;
      const int64_t other_of_a = money_.intent_of(a);
      const uint32_t left = other_of_a >= 0 ? a : b;
      const int64_t other = other_of_a >= 0 ? other_of_a : money_.intent_of(b);
      if (other < 0) return true;
      // The locks of that payment, which may be others than ours; in order, so all go back first.
      unlock_pair(a, b);
      if (!lock_both(left, static_cast<uint32_t>(other))) return false;
      if (money_.intent_of(left) == other) money_.finish_intent(left, static_cast<uint32_t>(other));
      unlock_pair(left, static_cast<uint32_t>(other));
    }
  }
  bool lock_both(uint32_t a, uint32_t b) {
    if (a > b) std::swap(a, b);
    if (!lock_.lock(a)) return false;
    if (lock_.lock(b)) return true;
    lock_.unlock(a);
    return false;
  }
  void unlock_pair(uint32_t a, uint32_t b) {
    lock_.unlock(a > b ? a : b);
    lock_.unlock(a > b ? b : a);
  }

  const MappedMoney& money_;
  Lock lock_;
  bool has_intents_;
};

}  // namespace casbook::peers
