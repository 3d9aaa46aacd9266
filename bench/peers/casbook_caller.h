// casbook as one of the designs: a lease for each account, whose tokens guard the payment; and the
// payment alone, which needs no lock.
#pragma once

#include <charconv>
#include <optional>
#include <vector>

#include <unistd.h>

#include <casbook/casbook.h>

#include "first_touch.h"
#include "peers/design.h"

namespace casbook::peers {

enum class Guard : uint8_t {
  none_needed,  // no lease: the book checks the funds
  lease,        // the caller checks the funds under leases, whose tokens guard the payment
  taken_out,    // the same without the guard: nothing but the leases' deadlines protects the check
};

// What callers need to know of the book; inherited by forked processes.
struct CasbookPlace {
  std::string name;
  std::vector<Account> accounts;
  Guard guard = Guard::none_needed;
  Level level = Level::memory;
};

constexpr uint64_t kIdSeries = 1000;  // of the payments; funding has another

inline PaymentId casbook_id(uint64_t id) { return {ExternalId::of_number(kIdSeries, id)}; }

class CasbookCaller : public Caller {
 public:
  // Null: it cannot be attached.
  static std::unique_ptr<Caller> attach(const CasbookPlace& place, const Shape& shape,
                                        pthread_mutex_t* spare) {
    auto book = Book::attach(place.name);
    if (!book) return nullptr;
    bench::touch_book(place.name);
    auto session = book->open_session();
    if (!session) return nullptr;
    return std::unique_ptr<Caller>(
        new CasbookCaller(place, shape, spare, std::move(*book), std::move(*session)));
  }

  Answer pay(const Transfer& transfer, const StepHook& hook) override {
    const auto& accounts = place_.accounts;
    Payment payment(casbook_id(transfer.id));
    payment.debit(accounts[transfer.from], transfer.amount)
        .credit(accounts[transfer.to], transfer.amount);
    if (place_.guard == Guard::none_needed) return commit(payment, hook, true);
    Leases leases;
    if (!take(transfer.from, transfer.to, leases)) return Answer::busy;
    const Answer answer = pay_under(leases, transfer, payment, hook);
    give_back(leases);
    return answer;
  }
  bool lock_unlock(uint32_t a, uint32_t b) override {
    Leases leases;
    return place_.guard != Guard::none_needed && take(a, b, leases) && give_back(leases);
  }
  bool floor_round() override {
    bench::lock_robust(*spare_);
    return pthread_mutex_unlock(spare_) == 0;
  }
  int64_t funds(uint32_t account) override {
    const auto balance = book_.balance(place_.accounts[account]);
    return balance ? balance->available : INT64_MIN;
  }
  bool is_noted(uint64_t id) override {
    const auto found = book_.lookup(casbook_id(id));
    return found && found->executed;
  }
  Audit audit() override {
    Audit audit;
    for (uint32_t i = 0; i < place_.accounts.size(); ++i) audit.funds += funds(i);
    audit.noted = book_.activity().payments - funded_;
    return audit;
  }

 private:
  struct Leases {
    Lease low, high;
  };

  CasbookCaller(const CasbookPlace& place, const Shape& shape, pthread_mutex_t* spare, Book book,
                Session session)
      : place_(place),
        options_{.ttl = std::chrono::milliseconds(shape.ttl_ms),
                 .owner_id = static_cast<uint64_t>(gettid()),
                 .wait = std::chrono::milliseconds(shape.patience_ms)},
        spare_(spare),
        book_(std::move(book)),
        session_(std::move(session)),
        funded_((place.accounts.size() + kPaymentPostingsMax - 2) / (kPaymentPostingsMax - 1)) {}

  Answer pay_under(const Leases& leases, const Transfer& transfer, Payment& payment,
                   const StepHook& hook) {
    hook(Step::locked);
    if (funds(transfer.from) < transfer.amount)
      return is_noted(transfer.id) ? Answer::replayed : Answer::refused;
    if (place_.guard == Guard::lease) payment.guard(leases.low).guard(leases.high);
    return commit(payment, hook, false);
  }
  Answer commit(const Payment& payment, const StepHook& hook, bool is_locked_by_itself) {
    if (is_locked_by_itself) hook(Step::locked);
    hook(Step::checked);
    hook(Step::half_moved);
    const auto receipt = place_.level == Level::memory
                             ? session_.pay(payment)
                             : session_.pay(payment, place_.level, std::chrono::seconds(60));
    if (!receipt) return answer_of(receipt.error().code);
    if (receipt->replayed) return Answer::replayed;
    hook(Step::moved);
    hook(Step::noted);
    return Answer::paid;
  }
  static Answer answer_of(Code code) {
    switch (code) {
      case Code::insufficient_available:
        return Answer::refused;
      case Code::lease_missing:
      case Code::lease_superseded:
      case Code::backpressure:
        return Answer::busy;
      default:
        return Answer::failed;
    }
  }

  bool take(uint32_t a, uint32_t b, Leases& leases) {
    const auto low = acquire(std::min(a, b));
    if (!low) return false;
    leases.low = low->lease;
    const auto high = acquire(std::max(a, b));
    if (high) {
      leases.high = high->lease;
      return true;
    }
    (void)session_.release(leases.low);
    return false;
  }
  bool give_back(const Leases& leases) {
    const bool has_high = static_cast<bool>(session_.release(leases.high));
    return static_cast<bool>(session_.release(leases.low)) && has_high;
  }
  Result<Grant> acquire(uint32_t account) {
    char name[16] = "a";
    const char* const end = std::to_chars(name + 1, name + sizeof(name), account).ptr;
    return session_.wait_acquire({name, static_cast<size_t>(end - name)}, options_);
  }

  const CasbookPlace& place_;
  AcquireOptions options_;
  pthread_mutex_t* spare_;
  Book book_;
  Session session_;
  uint64_t funded_;  // payments that funded the accounts
};

// Opens and funds the accounts of an empty book. What is in the way. Where the caller checks the
// funds, the book sets no limit: what protects the check is the guard alone.
std::string open_casbook_accounts(Session& session, const Shape& shape, CasbookPlace& place);

}  // namespace casbook::peers
