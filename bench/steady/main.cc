// casbook's operations, so timed that two builds can be held against each other in turn: what
// scripts/bench --compare is about. Every sample is timed in a book of its own: where the pages of
// a book lie decides by a tenth and more what a payment costs in it, and a book keeps its pages.
// The book is small, since all its pages are touched first (first_touch.h).
//
// bench_steady [--handicap-ns N]   reads rows, one in a line, and answers each with a sample:
//                                  nanoseconds of processor time per operation
// bench_steady --rows              prints those there are
// bench_steady --about             prints where and when, as JSON
//
//   --handicap-ns   burnt in each payment: whether the comparison notices
#include <functional>
#include <iostream>

#include "handicap.h"
#include "machine.h"
#include "own_book.h"

namespace casbook::bench {
namespace {

constexpr uint64_t kOperations = 1 << 12;
constexpr uint64_t kUntimed = 1 << 10;  // that are made first
constexpr uint64_t kSmall = 16;      // accounts: with them the caches hold what a payment touches
constexpr uint64_t kLarge = 20'000;  // and here not
constexpr uint64_t kBatch = 256;
constexpr uint64_t kPostings = 8;
constexpr uint64_t kKnownIds = 256;
constexpr std::chrono::milliseconds kTtl = std::chrono::hours(1);

Handicap handicap;

// One call of what is timed. False: it was not done.
using Call = std::function<bool()>;

struct Row {
  const char* name;
  Call (*prepare)(OwnBook&);
  uint64_t operations_per_call = 1;
  uint64_t accounts = kSmall;
};

// No id of a payment is evicted, however long the process is held up.
CreateOptions options_for(uint64_t accounts) {
  CreateOptions options =
      book_options(accounts + OwnBook::kAccountsMore, 2 * (accounts + kOperations + kUntimed));
  options.window = std::chrono::hours(1);
  options.records = 1 << 12;
  return options;
}

// Exits where an operation was refused.
double sample_of(const Row& row) {
  OwnBook own(own_name(), row.accounts, options_for(row.accounts));
  touch_book(own.name());
  must(Book::destroy(own.name()));
  const Call call = row.prepare(own);
  bool ok = true;
  const auto make = [&](uint64_t operations) {
    for (uint64_t i = 0; i < operations; i += row.operations_per_call) ok &= call();
  };
  make(kUntimed);
  const int64_t start = cpu_ns();
  make(kOperations);
  const int64_t ns = cpu_ns() - start;
  if (!ok)
    std::cerr << "bench_steady: " << row.name << ": an operation was refused\n", std::exit(1);
  return static_cast<double>(ns) / kOperations;
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
    {"read/balance", balance},
    {"read/balances:16", balances},
    {"read/snapshot:16", snapshot},
    {"read/lookup", look_up},
};

const Row* row_named(std::string_view name) {
  for (const Row& row : kRows)
    if (name == row.name) return &row;
  return nullptr;
}

}  // namespace
}  // namespace casbook::bench

int main(int argc, char** argv) {
  using namespace casbook::bench;
  const std::string_view option = argc > 1 ? argv[1] : "";
  if (option == "--rows") {
    for (const Row& row : kRows) std::cout << row.name << "\n";
    return 0;
  }
  if (option == "--about") {
    std::cout << about_run("bench_steady") << "\n";
    return 0;
  }
  if (option == "--handicap-ns" && argc == 3) {
    handicap = Handicap(std::strtoll(argv[2], nullptr, 10));
  } else if (argc > 1) {
    std::cerr << "bench_steady: unknown option " << option << "\n";
    return 2;
  }
  for (std::string name; std::getline(std::cin, name);) {
    const Row* row = row_named(name);
    if (row == nullptr) {
      std::cerr << "bench_steady: no row " << name << " (see --rows)\n";
      return 2;
    }
    std::cout << sample_of(*row) << std::endl;
  }
}
