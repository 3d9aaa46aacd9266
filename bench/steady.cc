// casbook's operations, so timed that two builds can be held against each other in turn: what
// scripts/bench --compare is about.
//
// bench_steady [--handicap-ns N] [Google Benchmark's options]
//
//   --handicap-ns  burnt in each payment: whether the comparison notices
//
// Where the pages of a book lie decides by a tenth and more what a payment costs in it, and a book
// keeps its pages. So every repetition has a book of its own: the median of many does not depend on
// them. That book is small, since its pages are touched first (first_touch.h); a single larger one,
// whose lines the caches do not hold, is for what a change costs there.
#include <functional>

#include "machine.h"
#include "own_book.h"

namespace casbook::bench {
namespace {

// Of one repetition. No id of a payment has to be evicted, and no account runs dry.
struct Shape {
  uint64_t accounts;
  uint64_t operations;  // that are timed; a quarter as many are made first
  int repetitions;      // each with a book of its own

  uint64_t untimed() const { return operations / 4; }
  CreateOptions options() const {
    CreateOptions options = book_options(accounts + OwnBook::kAccountsMore,
                                         (accounts + operations + untimed()) * 2);
    options.records = 1 << 12;
    return options;
  }
};

constexpr Shape kSmall{.accounts = 16, .operations = 1 << 12, .repetitions = 5};
constexpr Shape kLarge{.accounts = 100'000, .operations = 1 << 14, .repetitions = 1};
constexpr uint64_t kBatch = 256;
constexpr uint64_t kPostings = 8;
constexpr uint64_t kKnownIds = 256;
constexpr std::chrono::milliseconds kTtl = std::chrono::hours(1);

// Burnt in loops whose length was measured here and now.
class Handicap {
 public:
  void set_ns(uint64_t ns) {
    constexpr uint64_t kLoops = 20'000'000;
    const int64_t start = cpu_ns();
    spin(kLoops);
    loops_ = ns * kLoops / static_cast<uint64_t>(cpu_ns() - start);
  }
  void burn() const { spin(loops_); }

 private:
  static void spin(uint64_t loops) {
    for (uint64_t i = 0; i < loops; ++i) benchmark::DoNotOptimize(i);
  }
  uint64_t loops_ = 0;
};

Handicap handicap;

// One call of what is timed. False: it was not done.
using Call = std::function<bool()>;

struct Row {
  const char* name;
  Call (*prepare)(OwnBook&);
  uint64_t operations_per_call = 1;
  Shape shape = kSmall;
};

void run_row(benchmark::State& state, const Row& row) {
  OwnBook own(own_name(), row.shape.accounts, row.shape.options());
  touch_book(own.name());
  bool ok = true;
  {
    const Call call = row.prepare(own);
    for (uint64_t i = 0; i < row.shape.untimed(); i += row.operations_per_call) ok &= call();
    while (state.KeepRunningBatch(static_cast<int64_t>(row.operations_per_call))) ok &= call();
  }
  if (!ok) state.SkipWithError("an operation was refused");
  must(Book::destroy(own.name()));
}

// --- payments ------------------------------------------------------------------------------------

bool pay(OwnBook& own, const Payment& payment) {
  handicap.burn();
  return static_cast<bool>(own.session().pay(payment));
}

Call pay_plain(OwnBook& own) {
  return [&own, random = Random(2)]() mutable { return pay(own, own.payment(random)); };
}

Call pay_guarded(OwnBook& own) {
  const Lease lease = must(own.session().try_acquire("payment", {.ttl = kTtl})).lease;
  return [&own, lease, random = Random(2)]() mutable {
    return pay(own, own.payment(random).guard(lease));
  };
}

Call pay_batch(OwnBook& own) {
  return [&own, random = Random(2), payments = std::vector(kBatch, Payment(PaymentId{})),
          answers = std::vector<Result<Receipt>>(kBatch, Receipt{})]() mutable {
    bool ok = true;
    for (Payment& payment : payments) payment = own.payment(random), handicap.burn();
    own.session().pay_batch(payments, answers);
    for (const auto& answer : answers) ok &= static_cast<bool>(answer);
    return ok;
  };
}

// One account pays several.
Call pay_wide(OwnBook& own) {
  return [&own, next = uint64_t{0}]() mutable {
    const auto account = [&] { return own.accounts()[next++ % own.accounts().size()]; };
    Payment payment(own.fresh_id());
    payment.debit(account(), kPostings - 1);
    for (uint64_t i = 1; i < kPostings; ++i) payment.credit(account(), 1);
    ++next;  // another pays next time
    return pay(own, payment);
  };
}

// Recorded under its id like a payment.
Call pay_refused(OwnBook& own) {
  return [&own, random = Random(3)]() mutable {
    const Account to = own.accounts()[random.below(own.accounts().size())];
    handicap.burn();
    const auto answer =
        own.session().pay(Payment(own.fresh_id()).debit(own.poor(), 1).credit(to, 1));
    return !answer && answer.error().code == Code::insufficient_available;
  };
}

std::vector<Payment> paid(OwnBook& own) {
  Random random(4);
  std::vector<Payment> all;
  for (uint64_t i = 0; i < kKnownIds; ++i) {
    all.push_back(own.payment(random));
    must(own.session().pay(all.back()));
  }
  return all;
}

Call pay_again(OwnBook& own) {
  return [&own, known = paid(own), random = Random(4)]() mutable {
    handicap.burn();
    const auto answer = own.session().pay(known[random.below(known.size())]);
    return answer && answer->replayed;
  };
}

// --- leases --------------------------------------------------------------------------------------

Call acquire_and_release(OwnBook& own) {
  return [&own] {
    const auto grant = own.session().try_acquire("lease", {.ttl = kTtl});
    return grant && own.session().release(grant->lease);
  };
}

Call re_enter_and_release(OwnBook& own) {
  must(own.session().try_acquire("lease", {.ttl = kTtl}));
  return [&own] {
    const auto grant = own.session().try_acquire("lease", {.ttl = kTtl});
    return grant && grant->count == 2 && own.session().release(grant->lease);
  };
}

Call renew(OwnBook& own) {
  const Lease held = must(own.session().try_acquire("lease", {.ttl = kTtl})).lease;
  return [&own, held] { return static_cast<bool>(own.session().renew(held, kTtl)); };
}

Call try_in_vain(OwnBook& own) {
  must(own.session().try_acquire("lease", {.ttl = kTtl, .owner_id = 7}));
  return [&own] {
    const auto grant = own.session().try_acquire("lease", {.ttl = kTtl, .owner_id = 8});
    return !grant && grant.error().code == Code::lease_held;
  };
}

// --- reads ---------------------------------------------------------------------------------------

Call balance(OwnBook& own) {
  return [&own, random = Random(5)]() mutable {
    const Account account = own.accounts()[random.below(own.accounts().size())];
    return own.book().balance(account)->available > 0;
  };
}

Call balances(OwnBook& own) {
  return [&own] { return own.book().balances(own.accounts())->front().available > 0; };
}

Call snapshot(OwnBook& own) {
  return [&own] { return static_cast<bool>(own.book().snapshot()); };
}

Call look_up(OwnBook& own) {
  return [&own, known = paid(own), random = Random(6)]() mutable {
    return static_cast<bool>(own.book().lookup(known[random.below(known.size())].id()));
  };
}

constexpr Row kRows[] = {
    {"pay/plain", pay_plain},
    {"pay/guarded", pay_guarded},
    {"pay/batch", pay_batch, kBatch},
    {"pay/postings:8", pay_wide},
    {"pay/refusal", pay_refused},
    {"pay/replay", pay_again},
    {"pay/large", pay_plain, 1, kLarge},
    {"lease/acquire_release", acquire_and_release},
    {"lease/re_enter_release", re_enter_and_release},
    {"lease/renew", renew},
    {"lease/try_in_vain", try_in_vain},
    {"read/balance", balance},
    {"read/balances:16", balances},
    {"read/snapshot:16", snapshot},
    {"read/lookup", look_up},
};

void register_floors(const Sizes&) {}  // it is held against itself

void register_benchmarks(const Sizes&) {
  for (const Row& row : kRows)
    benchmark::RegisterBenchmark(row.name, [&row](auto& state) { run_row(state, row); })
        ->Iterations(static_cast<int64_t>(row.shape.operations))
        ->Repetitions(row.shape.repetitions);
}

}  // namespace
}  // namespace casbook::bench

int main(int argc, char** argv) {
  using namespace casbook::bench;
  if (argc > 2 && std::strcmp(argv[1], "--handicap-ns") == 0) {
    handicap.set_ns(std::strtoull(argv[2], nullptr, 10));
    argv[2] = argv[0], argc -= 2, argv += 2;
  }
  const nlohmann::json about = about_run("bench_steady");
  for (const auto& [key, value] : about.items())
    benchmark::AddCustomContext(key, value.get<std::string>());
  return run(argc, argv, register_floors, register_benchmarks);
}
