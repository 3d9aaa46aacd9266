// When a storage of the tests fails: it counts its operations, and strikes at the nth.
#pragma once

#include <cstdint>

namespace casbook::test {

enum class Operation : uint8_t {
  write,  // by a file, or handed to a queue
  sync,
  allocate,
  create,
  open,
  rename,
  remove,
  sync_directory,
  list,
  read,
  submit,      // a call of a queue: nothing gets under way
  completion,  // of what a queue has under way
  count
};
const char* operation_name(Operation operation);

// A set of operations.
using Operations = uint32_t;
constexpr Operations only(Operation operation) { return 1u << static_cast<uint32_t>(operation); }
constexpr Operations kAllOperations = (1u << static_cast<uint32_t>(Operation::count)) - 1;
// After which the disk may be another: a loss of power at any else is one at the next of these.
constexpr Operations kChanges = kAllOperations & ~only(Operation::open) & ~only(Operation::list) &
                                ~only(Operation::read) & ~only(Operation::submit);
// Whose failure is one of the disk; a completion only tells of it.
constexpr Operations kFallible = kAllOperations & ~only(Operation::completion);

struct Fault {
  Operations operations = kFallible;
  uint64_t nth = 0;  // of those, from 1; 0: never
  int error_number = 0;
  bool is_lasting = false;  // all of them from then on
};

enum class Verdict : uint8_t { go, fail, power_loss };

class FaultPlan {
 public:
  // From now on: the nth is counted from here. In place of any plan before.
  void fail(const Fault& fault) { fault_ = fault, passed_ = 0, has_struck_ = false; }
  void lose_power_at(uint64_t nth) { power_nth_ = nth, changes_ = 0; }

  Verdict pass(Operation operation) {
    ++counts_[static_cast<uint32_t>(operation)];
    if (only(operation) & kChanges && ++changes_ == power_nth_) return Verdict::power_loss;
    if (fault_.nth == 0 || !(only(operation) & fault_.operations)) return Verdict::go;
    ++passed_;
    const bool strikes = fault_.is_lasting ? passed_ >= fault_.nth : passed_ == fault_.nth;
    has_struck_ |= strikes;
    return strikes ? Verdict::fail : Verdict::go;
  }

  int error_number() const { return fault_.error_number; }
  bool has_struck() const { return has_struck_; }
  uint64_t count(Operations operations) const {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < static_cast<uint32_t>(Operation::count); ++i)
      if (operations >> i & 1) sum += counts_[i];
    return sum;
  }

 private:
  Fault fault_;
  uint64_t passed_ = 0, power_nth_ = 0, changes_ = 0;
  bool has_struck_ = false;
  uint64_t counts_[static_cast<uint32_t>(Operation::count)] = {};
};

}  // namespace casbook::test
