// A book in memory: no daemon, no disk.
#include "peers/casbook_caller.h"
#include "peers/designs.h"

namespace casbook::peers {
namespace {

About about_of(Guard guard) {
  const bool has_lease = guard != Guard::none_needed;
  About about{.name = "casbook-plain",
              .group = Group::casbook,
              .form = guard == Guard::taken_out ? Form::control : Form::safe,
              .has_lock = has_lease,
              .uses_ttl = has_lease,
              .floor = "one robust mutex locked and unlocked",
              .store = "the book",
              .work = "one payment; the book checks funds and id",
              .death = "nobody has to: whoever meets what it left finishes or undoes it"};
  if (!has_lease) return about;
  about.name = guard == Guard::lease ? "casbook-lease" : "casbook-lease-unguarded";
  about.work = guard == Guard::lease
                   ? "a lease for each account, funds checked by the caller, both tokens guard the "
                     "payment"
                   : "the same without the guards";
  about.death = "the kernel, at once; a stopped holder's leases expire, and its tokens with them";
  return about;
}

class CasbookMemory : public Design {
 public:
  explicit CasbookMemory(Guard guard) : Design(about_of(guard)), spare_(1) {
    place_.guard = guard;
    bench::make_robust(spare_[0].mutex);
  }
  ~CasbookMemory() override {
    if (getpid() == owner_) (void)Book::destroy(place_.name);
  }

  std::unique_ptr<Caller> connect() override {
    return CasbookCaller::attach(place_, shape(), &spare_[0].mutex);
  }

 private:
  std::string make() override {
    static int books = 0;
    owner_ = getpid();
    place_.name = "peers-" + std::to_string(owner_) + "-" + std::to_string(++books);
    CreateOptions options;
    options.accounts = shape().accounts + 1;  // and the bank
    options.payments = shape().payments;
    options.window = std::chrono::milliseconds(shape().id_window_ms);
    options.leases = 256;
    auto book = Book::create(place_.name, options);
    if (!book) return book.error().message();
    auto session = book->open_session();
    return session ? open_casbook_accounts(*session, shape(), place_) : session.error().message();
  }

  CasbookPlace place_;
  bench::Lines<bench::LockedAccount> spare_;  // for the floor
  pid_t owner_ = 0;
};

}  // namespace

namespace {

// Again while the ring is full: a daemon's disk may be slower than this.
template <class Try>
auto patiently(Try&& one_try) {
  for (;;) {
    auto result = one_try();
    if (result || result.error().code != Code::backpressure) return result;
    usleep(50);
  }
}

}  // namespace

std::string open_casbook_accounts(Session& session, const Shape& shape, CasbookPlace& place) {
  constexpr uint64_t kFundedTogether = kPaymentPostingsMax - 1;
  AccountOptions options{.ledger = "EUR"};
  if (auto ledger = session.open_ledger("EUR", 2); !ledger) return ledger.error().message();
  const auto bank = session.open_account({*ExternalId::parse("bank")}, options);
  if (!bank) return bank.error().message();
  if (place.guard == Guard::none_needed) options.limits.min_available = 0;
  for (uint64_t i = 0; i < shape.accounts; ++i) {
    const auto account =
        patiently([&] { return session.open_account({ExternalId::of_number(i + 1)}, options); });
    if (!account) return account.error().message();
    place.accounts.push_back(*account);
  }
  for (uint64_t i = 0; i < shape.accounts; i += kFundedTogether) {
    const uint64_t end = std::min<uint64_t>(i + kFundedTogether, shape.accounts);
    Payment payment({ExternalId::of_number(1, i + 1)});
    payment.debit(*bank, shape.funds * static_cast<Amount>(end - i));
    for (uint64_t k = i; k < end; ++k) payment.credit(place.accounts[k], shape.funds);
    if (const auto paid = patiently([&] { return session.pay(payment); }); !paid)
      return paid.error().message();
  }
  return {};
}

std::unique_ptr<Design> make_casbook_lease() {
  return std::make_unique<CasbookMemory>(Guard::lease);
}
std::unique_ptr<Design> make_casbook_lease_unguarded() {
  return std::make_unique<CasbookMemory>(Guard::taken_out);
}
std::unique_ptr<Design> make_casbook_plain() {
  return std::make_unique<CasbookMemory>(Guard::none_needed);
}

}  // namespace casbook::peers
