#include "peers/try_out.h"

#include <vector>

namespace casbook::peers {
namespace {

struct Steps {
  std::vector<Step> seen;
  StepHook hook() {
    return {[](void* steps, Step step) { static_cast<Steps*>(steps)->seen.push_back(step); }, this};
  }
};

std::string try_payments(Caller& caller, int64_t funds) {
  const Transfer transfer{.id = 1, .from = 1, .to = 0, .amount = 7};
  const Transfer too_much{.id = 2, .from = 1, .to = 2, .amount = funds};
  Steps steps;
  if (caller.pay(transfer, steps.hook()) != Answer::paid) return "a payment was not made";
  if (steps.seen !=
      std::vector{Step::locked, Step::checked, Step::half_moved, Step::moved, Step::noted})
    return "a payment did not go through all steps";
  if (caller.pay(transfer, {}) != Answer::replayed) return "an id was not known again";
  if (caller.pay(too_much, {}) != Answer::refused) return "more was paid than was there";
  if (caller.pay({.id = 3, .from = 0, .to = 2, .amount = 5}, {}) != Answer::paid)
    return "a second payment was not made";
  if (caller.funds(1) != funds - 7 || caller.funds(0) != funds + 2 || caller.funds(2) != funds + 5)
    return "the balances are not what was paid";
  return caller.is_noted(1) && !caller.is_noted(2) && caller.is_noted(3) ? "" : "ids are not noted";
}

}  // namespace

std::string try_out(Design& design) {
  const std::unique_ptr<Caller> caller = design.connect();
  if (!caller) return "no caller could connect";
  const Shape& shape = design.shape();
  if (std::string why = try_payments(*caller, shape.funds); !why.empty()) return why;
  const Audit wanted{.funds = shape.funds * shape.accounts, .noted = 2};
  const Audit audit = caller->audit();
  if (!(audit == wanted))
    return "the audit has " + std::to_string(audit.funds) + " in " + std::to_string(audit.noted) +
           " payments, not " + std::to_string(wanted.funds) + " in 2";
  if (caller->lock_unlock(0, 1) != design.about().has_lock) return "the lock was not had";
  return caller->floor_round() ? "" : "the floor failed";
}

}  // namespace casbook::peers
