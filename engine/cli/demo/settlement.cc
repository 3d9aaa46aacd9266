#include "cli/demo/settlement.h"

#include <chrono>
#include <cstdio>
#include <optional>
#include <vector>

#include "cli/demo/clock.h"
#include "cli/demo/traffic.h"

namespace casbook::cli::demo {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTtl{kLeaseTtlMs};
constexpr int64_t kRenewAfterNs = kLeaseTtlMs * kMs / 3;
constexpr int64_t kShiftNs = 200 * kMs;  // at one desk
constexpr int64_t kIdleUs = 1'000;
constexpr int64_t kNoticeUs =
    50;  // stands for what a payout takes beside the book: a message, a file
constexpr Amount kPayoutMin = 500'00;

class Worker {
 public:
  Worker(const Setting& setting, uint32_t index, const Book& book, Session session)
      : setting_(setting),
        index_(index),
        board_(setting.records.board().workers[index]),
        journal_(setting.records.payouts[index]),
        book_(book),
        session_(std::move(session)) {}

  int run() {
    board_.desk_1.store_relaxed(0);
    wait_for_start(setting_.records.board(), board_.vitals.pulse);
    if (!settle_unfinished()) return 1;
    // Its own desks come first, so two workers seldom meet.
    for (uint64_t turn = index_ * (kDesks / kWorkers); !is_stopping(); ++turn) {
      if (!work_desk(turn % kDesks)) return 1;
      increment(board_.vitals.pulse);
    }
    return 0;
  }

 private:
  // Relaxed: the flag is all there is to know.
  bool is_stopping() const { return setting_.records.board().stopping.load_relaxed() != 0; }

  bool fail(const char* what, const Error& error) const {
    std::fprintf(stderr, "worker %u: %s: %s\n", index_ + 1, what, error.message().c_str());
    return false;
  }

  // The payout that a killed predecessor had no answer to: the same id again.
  bool settle_unfinished() {
    const uint64_t count = board_.payouts.load_acquire();  // [payout-journal]
    if (count == 0) return true;
    Payout& last = journal_[count - 1];
    if (last.answer.load_relaxed() != kUnanswered) return true;
    const uint64_t desk = last.merchant.load_relaxed() % kDesks;
    auto grant = session_.wait_acquire(desk_name(desk), {.ttl = kTtl, .wait = milliseconds(5000)});
    if (!grant) return fail("waiting for the desk of an unfinished payout", grant.error());
    bool replayed = false;
    if (!send(count - 1, grant->lease, &replayed)) return false;
    increment(replayed ? board_.settled_before : board_.settled_again);
    return let_go(grant->lease);
  }

  bool work_desk(uint64_t desk) {
    auto grant = session_.try_acquire(desk_name(desk), {.ttl = kTtl});
    if (!grant && grant.error().code == Code::lease_held) {
      sleep_us(100);
      return true;
    }
    if (!grant) return fail("acquire", grant.error());
    board_.token.store_relaxed(grant->lease.token.value);
    board_.desk_1.store_relaxed(desk + 1);
    const bool ok = work_shift(desk, grant->lease);
    board_.desk_1.store_relaxed(0);
    return ok;
  }

  // Rounds over the desk's merchants until the shift is over or the lease is lost.
  bool work_shift(uint64_t desk, const Lease& lease) {
    const int64_t start = now_ns();
    int64_t renewed = start;
    while (now_ns() - start < kShiftNs && !is_stopping()) {
      if (!plan_round(desk)) return false;
      bool lost = false;
      for (const Due& due : round_)
        if (!pay_out(due, lease, lost)) return false;
      if (!lost && now_ns() - renewed > kRenewAfterNs) {
        lost = !session_.renew(lease, kTtl);
        renewed = now_ns();
      }
      if (lost) return true;
      increment(board_.vitals.pulse);
      if (round_.empty()) sleep_us(kIdleUs);
    }
    return let_go(lease);
  }

  bool let_go(const Lease& lease) {
    auto released = session_.release(lease);
    const bool ok = released || released.error().code == Code::lease_superseded ||
                    released.error().code == Code::lease_missing;
    return ok || fail("release", released.error());
  }

  struct Due {
    uint64_t merchant;
    Amount amount;
  };

  // Who has something coming now.
  bool plan_round(uint64_t desk) {
    round_.clear();
    const auto& merchants = setting_.economy.merchants;
    for (uint64_t m = desk; m < merchants.size(); m += kDesks) {
      auto pending = book_.balance(merchants[m].pending);
      if (!pending) return fail("balance", pending.error());
      if (pending->available >= kPayoutMin) round_.push_back({m, pending->available});
    }
    board_.to_pay.store_relaxed(round_.size());
    return true;
  }

  // Goes through the round even when the lease was lost on the way, as one does that does not look:
  // it is the book that refuses.
  bool pay_out(const Due& due, const Lease& lease, bool& lost) {
    const uint64_t number = board_.payouts.load_relaxed();
    if (number == journal_.size()) return true;  // enough payouts for one demonstration
    journal_[number].merchant.store_relaxed(due.merchant);
    journal_[number].amount.store_relaxed(static_cast<uint64_t>(due.amount));
    // [payout-journal] Pairs with the acquire of the successor: what is counted is complete.
    board_.payouts.store_release(number + 1);
    if (!send(number, lease, nullptr)) return false;
    lost = journal_[number].answer.load_relaxed() == kStale;
    board_.to_pay.store_relaxed(board_.to_pay.load_relaxed() - 1);
    sleep_us(kNoticeUs);
    return true;
  }

  // False after an answer that means that the demo is broken.
  bool send(uint64_t number, const Lease& lease, bool* replayed) {
    const Payment payment = payout_payment(setting_, index_, number).guard(lease);
    const uint64_t stops = board_.stops.load_relaxed();
    const int64_t start = now_ns();
    const Result<Receipt> answer = session_.pay(payment);
    const int64_t end = now_ns();
    // A time in which it was stopped says nothing of the book.
    if (board_.stops.load_relaxed() == stops)
      board_.vitals.latency.record(static_cast<uint64_t>(end - start));
    increment(board_.vitals.pulse);
    const std::optional<uint64_t> noted = note(answer);
    if (!noted) return fail("payout", answer.error());
    journal_[number].answer.store_relaxed(*noted);
    if (replayed) *replayed = answer && answer->replayed;
    return true;
  }

  std::optional<uint64_t> note(const Result<Receipt>& answer) {
    if (answer) {
      increment(board_.vitals.executed);
      return answer->position.value;
    }
    const Error& error = answer.error();
    if (error.code == Code::lease_superseded || error.code == Code::lease_missing) {
      increment(error.code == Code::lease_superseded ? board_.superseded : board_.missing);
      return kStale;
    }
    if (error.code != Code::insufficient_available) return std::nullopt;
    increment(board_.vitals.refused);
    return kRefusedBit | error.position;
  }

  const Setting& setting_;
  const uint32_t index_;
  WorkerBoard& board_;
  const SharedArray<Payout>& journal_;
  const Book& book_;
  Session session_;
  std::vector<Due> round_;
};

}  // namespace

std::string desk_name(uint64_t desk) { return "settlement desk " + std::to_string(desk + 1); }

Amount payout_fee(Amount amount) { return amount / 80; }  // 1.25 %

Payment payout_payment(const Setting& setting, uint32_t worker, uint64_t number) {
  const Payout& payout = setting.records.payouts[worker][number];
  const uint64_t index = payout.merchant.load_relaxed();
  const auto amount = static_cast<Amount>(payout.amount.load_relaxed());
  const Merchant& merchant = setting.economy.merchants[index];
  return Payment(payout_id(worker, number))
      .debit(merchant.pending, amount)
      .credit(merchant.payout, amount - payout_fee(amount))
      .credit(setting.economy.fees, payout_fee(amount))
      .code(static_cast<uint32_t>(Purpose::payout))
      .user_data(index);
}

PaymentId payout_id(uint32_t worker, uint64_t number) {
  char text[kIdBytesMax];
  const int bytes = std::snprintf(text, sizeof(text), "payout-%u-%llu", worker + 1,
                                  static_cast<unsigned long long>(number + 1));
  return {*ExternalId::parse({text, static_cast<size_t>(bytes)})};
}

int run_worker(const Setting& setting, uint32_t worker) {
  auto book = Book::attach(setting.book, setting.directory);
  if (!book) {
    std::fprintf(stderr, "worker %u: %s\n", worker + 1, book.error().message().c_str());
    return 1;
  }
  auto session = book->open_session();
  if (!session) {
    std::fprintf(stderr, "worker %u: %s\n", worker + 1, session.error().message().c_str());
    return 1;
  }
  return Worker(setting, worker, *book, std::move(*session)).run();
}

}  // namespace casbook::cli::demo
