#include "support/durable_payers.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace casbook::test_support {
namespace {

constexpr std::chrono::milliseconds kPatience{250};
constexpr int64_t kNapUs = 2000;
constexpr int64_t kPauseUs = 500;  // between payments: the window of ids is not to be filled

PaymentId id_of(uint32_t payer, uint64_t number) {
  return {ExternalId::of_number(uint64_t{payer + 1} << 40 | number)};
}
AccountId account_id_of(uint32_t payer) { return {ExternalId::of_number(payer + 1)}; }
AccountId world_id() { return {ExternalId::of_number(1'000'000)}; }

// What a payer may be told while daemons come and go. It sends the same id again.
bool is_to_be_expected(Code code) {
  switch (code) {
    case Code::book_closed:
    case Code::quarantined:
    case Code::backpressure:
    case Code::level_unavailable:
    case Code::outcome_unknown:
    case Code::undone:
    case Code::account_missing:  // opened in memory only, and lost with it
      return true;
    default:
      return false;
  }
}

}  // namespace

bool open_payers_accounts(Session& session) {
  if (!session.open_ledger("CZK", 2)) return false;
  for (uint32_t payer = 0; payer < kPayersMax; ++payer)
    if (!session.open_account(account_id_of(payer),
                              {.ledger = "CZK", .limits = {.min_available = 0}}))
      return false;
  return static_cast<bool>(session.open_account(world_id(), {.ledger = "CZK"}));
}

DurablePayers::DurablePayers(std::string book, std::string shm, uint32_t count)
    : book_(std::move(book)), shm_(std::move(shm)), payers_(count) {}

DurablePayers::~DurablePayers() { kill_all(); }

void DurablePayers::start() {
  truth_->must_stop.store_release(0);
  for (uint32_t i = 0; i < payers_.size(); ++i)
    if (!payers_[i]) payers_[i].emplace([this, i] { pay(i); });
}

void DurablePayers::stop() {
  truth_->must_stop.store_release(1);
  for (auto& payer : payers_) {
    if (!payer) continue;
    const bool ended = await([&] { return payer->has_ended(); });
    if (!ended || !payer->succeeded()) ++failures_;
    EXPECT_TRUE(ended) << "a payer does not come to an end";
    payer.reset();
  }
}

void DurablePayers::kill_one(uint32_t payer) {
  if (payers_[payer]) payers_[payer]->kill_and_wait();
}

void DurablePayers::signal_one(uint32_t payer, int number) const {
  if (payers_[payer]) payers_[payer]->signal(number);
}

void DurablePayers::kill_all() {
  for (auto& payer : payers_) payer.reset();
}

void DurablePayers::restart_the_dead() {
  for (auto& payer : payers_) {
    if (!payer || !payer->has_ended()) continue;
    if (!payer->was_killed_by(SIGKILL)) ++failures_;
    payer.reset();
  }
  start();
}

uint64_t DurablePayers::durable_count() const {
  uint64_t sum = 0;
  for (const PayerTruth& truth : truth_->payers) sum += truth.durable.load_acquire();
  return sum;
}

uint64_t DurablePayers::begun_count() const {
  uint64_t sum = 0;
  for (const PayerTruth& truth : truth_->payers) sum += truth.begun.load_acquire();
  return sum;
}

void DurablePayers::pay(uint32_t payer) const {
  while (truth_->must_stop.load_acquire() == 0) {
    if (auto book = Book::attach(book_, shm_)) {
      if (const auto met = pay_into(*book, payer); met && !is_to_be_expected(met->code))
        require(false, met->message().c_str());
    }
    sleep_us(kNapUs);
  }
}

// Until it is told to stop, or is answered anything but a receipt.
std::optional<Error> DurablePayers::pay_into(Book& book, uint32_t payer) const {
  auto session = book.open_session();
  if (!session) return Error{.code = Code::backpressure};  // all slots in use, for now
  const auto world = book.find_account(world_id()), own = book.find_account(account_id_of(payer));
  if (!world || !own) return {};
  PayerTruth& truth = truth_->payers[payer];
  while (truth_->must_stop.load_acquire() == 0) {
    const uint64_t number = truth.durable.load_acquire() + 1;
    truth.begun.store_release(number);
    const int64_t begun_ns = monotonic_ns();
    const auto receipt = session->pay(
        Payment(id_of(payer, number)).debit(*world, 1).credit(*own, 1), Level::durable, kPatience);
    if (!receipt) return receipt.error();
    const auto took_ns = static_cast<uint64_t>(monotonic_ns() - begun_ns);
    truth.slowest_ns.store_relaxed(std::max(truth.slowest_ns.load_relaxed(), took_ns));
    truth.durable.store_release(number);
    truth.position.store_release(receipt->position.value);
    sleep_us(kPauseUs);
  }
  return {};
}

void DurablePayers::check(const Book& book) const {
  for (uint32_t payer = 0; payer < payers_.size(); ++payer) {
    const PayerTruth& truth = truth_->payers[payer];
    const uint64_t durable = truth.durable.load_acquire(), begun = truth.begun.load_acquire();
    uint64_t found = 0;
    for (uint64_t number = 1; number <= begun; ++number) {
      const auto info = book.lookup(id_of(payer, number));
      const bool is_there = info && info->executed;
      found += is_there;
      EXPECT_TRUE(is_there || number > durable)
          << "payer " << payer << ", payment " << number << " of " << durable
          << " that were reported durable is not there";
      if (is_there && number == durable) {
        const Position told{truth.position.load_acquire()};
        // A payer that was killed between the two has told an earlier position.
        EXPECT_GE(info->position.value, told.value);
        const auto reached = book.wait(told, Level::memory, std::chrono::seconds(1));
        EXPECT_TRUE(reached) << reached.error().message();
      }
    }
    const auto account = book.find_account(account_id_of(payer));
    ASSERT_TRUE(account || durable == 0) << account.error().message();
    if (!account) continue;
    EXPECT_EQ(book.balance(*account)->available, static_cast<Amount>(found))
        << "payer " << payer << ": a payment counts twice";
  }
  const auto audit = book.audit();
  ASSERT_TRUE(audit) << audit.error().message();
  EXPECT_TRUE(audit->ok) << testing::PrintToString(audit->problems);
}

}  // namespace casbook::test_support
