// Payments by one process: id, debit, credit, with and without a lease guard, one by one and in
// batches.
#include "floor.h"
#include "own_book.h"

namespace casbook::bench {
namespace {

constexpr uint64_t kBatch = 256;

struct Variant {
  const char* name;
  bool is_guarded = false;
  bool is_batch = false;
};

void compare_transfer(benchmark::State& state, double ns, uint64_t accounts, const Sizes& sizes) {
  compare(state, ns, Floor::two_cas_record, accounts);
  compare(state, ns, Floor::two_cas_record_ids, accounts, sizes.payments);
  compare(state, ns, Floor::robust_pair, accounts);
}

// Per payment. All variants make as many payments at once, so that the making costs them the same.
void pay(benchmark::State& state, const Variant& variant, uint64_t accounts, const Sizes& sizes) {
  static std::map<std::pair<bool, uint64_t>, double> one_by_one;
  OwnBook& own = shared_book(accounts, sizes);
  Session& session = own.session();
  Random random(2);
  const Lease lease = must(session.try_acquire("payment", {.ttl = std::chrono::hours(1)})).lease;
  std::vector<Payment> payments(kBatch, Payment(PaymentId{}));
  std::vector<Result<Receipt>> answers(kBatch, Receipt{});
  bool ok = true;
  const double ns = time_batches(state, kBatch, [&] {
    for (Payment& payment : payments) {
      payment = own.payment(random);
      if (variant.is_guarded) payment.guard(lease);
    }
    if (variant.is_batch)
      session.pay_batch(payments, answers);
    else
      for (uint64_t i = 0; i < kBatch; ++i) answers[i] = session.pay(payments[i]);
    for (const auto& answer : answers) ok &= static_cast<bool>(answer);
  });
  if (!ok) state.SkipWithError("a payment was refused");
  must(session.release(lease));
  compare_transfer(state, ns, accounts, sizes);
  double& alone = one_by_one[{variant.is_guarded, accounts}];
  if (!variant.is_batch)
    alone = ns;
  else if (alone > 0)
    state.counters["speedup"] = alone / ns;
}

// Recorded under its id like a payment.
void refuse(benchmark::State& state, uint64_t accounts, const Sizes& sizes) {
  OwnBook& own = shared_book(accounts, sizes);
  Random random(3);
  bool ok = true;
  const double ns = time_loop(state, [&] {
    const Account to = own.accounts()[random.below(accounts)];
    const auto answer =
        own.session().pay(Payment(own.fresh_id()).debit(own.poor(), 1).credit(to, 1));
    ok &= !answer && answer.error().code == Code::insufficient_available;
  });
  if (!ok) state.SkipWithError("a payment was not refused");
  compare_transfer(state, ns, accounts, sizes);
}

// The first answer again, of one among the last thousand payments.
void replay(benchmark::State& state, uint64_t accounts, const Sizes& sizes) {
  OwnBook& own = shared_book(accounts, sizes);
  Random random(4);
  std::vector<Payment> paid;
  for (int i = 0; i < 1000; ++i) {
    paid.push_back(own.payment(random));
    must(own.session().pay(paid.back()));
  }
  bool ok = true;
  const double ns = time_loop(state, [&] {
    const auto answer = own.session().pay(paid[random.below(paid.size())]);
    ok &= answer && answer->replayed;
  });
  if (!ok) state.SkipWithError("a payment was not replayed");
  compare_transfer(state, ns, accounts, sizes);
}

void register_floors(const Sizes& sizes) {
  register_floor(Floor::cas_8, 1);
  register_floor(Floor::cas_16, 1);
  for (const uint64_t accounts : {sizes.few, sizes.many}) {
    register_floor(Floor::two_cas_record, accounts);
    register_floor(Floor::two_cas_record_ids, accounts, sizes.payments);
    register_floor(Floor::robust_pair, accounts);
  }
}

void register_benchmarks(const Sizes& sizes) {
  constexpr Variant kVariants[] = {{"pay/plain"},
                                   {"pay/guarded", true, false},
                                   {"pay/batch", false, true},
                                   {"pay/guarded_batch", true, true}};
  const auto add = [](const std::string& name, uint64_t accounts, auto body) {
    benchmark::RegisterBenchmark((name + "/accounts:" + std::to_string(accounts)).c_str(), body);
  };
  for (const uint64_t accounts : {sizes.few, sizes.many}) {
    for (const Variant& variant : kVariants)
      add(variant.name, accounts,
          [=, &sizes](benchmark::State& state) { pay(state, variant, accounts, sizes); });
    add("pay/refusal", accounts,
        [=, &sizes](benchmark::State& state) { refuse(state, accounts, sizes); });
    add("pay/replay", accounts,
        [=, &sizes](benchmark::State& state) { replay(state, accounts, sizes); });
  }
}

}  // namespace
}  // namespace casbook::bench

int main(int argc, char** argv) {
  using namespace casbook::bench;
  return run(argc, argv, register_floors, register_benchmarks);
}
