#include "support/crash_book.h"

#include <cstdio>

#include <gtest/gtest.h>

#include <unistd.h>

#include "support/child_process.h"
#include "support/lanes.h"

namespace casbook::test_support {
namespace {

template <class T>
T must(Result<T> result, const char* what) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s: %s\n", what, result.error().message().c_str());
  _exit(1);
}

PaymentId number_id(uint64_t number) { return {ExternalId::of_number(number)}; }

}  // namespace

BoundedTime::BoundedTime(const char* what, std::chrono::seconds bound)
    : what_(what), bound_(bound), start_ns_(monotonic_ns()) {
  signal(SIGALRM, [](int) {
    constexpr char text[] = "a survivor is blocked for ever\n";
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(3);
  });
  alarm(static_cast<unsigned>(10 * bound.count()));
}

BoundedTime::~BoundedTime() {
  alarm(0);
  const int64_t taken_ns = monotonic_ns() - start_ns_;
  EXPECT_LT(taken_ns, std::chrono::nanoseconds(bound_).count()) << what_ << " was blocked";
}

CrashBook::CrashBook(uint64_t payments, std::chrono::milliseconds window) {
  begin_slow({kSlow});
  CreateOptions options;
  options.directory = scratch_.path();
  options.accounts = 16;
  options.payments = payments;
  options.window = window;
  options.leases = 8;
  options.ledgers = 2;
  options.sessions = kSessions;
  options.records = 64;
  book_ = must(Book::create(kName, options), "create");
  session_ = must(book_->open_session(), "session");
  must(session_->open_ledger("CZK", 2), "ledger");
  const AccountOptions limited{.ledger = "CZK", .limits = {.min_available = 0}};
  for (uint32_t i = 0; i < kAccounts; ++i)
    accounts_.push_back(must(session_->open_account({number_id(i + 1).value}, limited), "account"));
  const AccountOptions unlimited{.ledger = "CZK"};
  accounts_.push_back(
      must(session_->open_account({number_id(kAccounts + 1).value}, unlimited), "account"));
  expected_.resize(accounts_.size());
  for (uint32_t i = 0; i < kAccounts; ++i) {
    const Payment funding = Payment(number_id(++own_payments_))
                                .debit(accounts_[kAccounts], kFunds)
                                .credit(accounts_[i], kFunds);
    must(session_->pay(funding), "funding");
    apply(funding);
  }
}

Book CrashBook::attach() const { return must(Book::attach(kName, directory()), "attach"); }

PaymentId CrashBook::id_of(uint64_t number) const {
  return {ExternalId::of_number(series_, number)};
}

Payment CrashBook::narrow(uint64_t number, uint32_t from, uint32_t to) const {
  return Payment(id_of(number)).debit(accounts_[from], 1).credit(accounts_[to], 1);
}

Payment CrashBook::narrow(uint64_t number) const { return narrow(number, 0, 1); }

Payment CrashBook::wide(uint64_t number) const { return spread(number, kSlow); }

Payment CrashBook::widest(uint64_t number) const { return spread(number, kPaymentPostingsMax); }

Payment CrashBook::spread(uint64_t number, uint32_t accounts) const {
  Payment payment(id_of(number));
  payment.debit(accounts_[0], accounts - 1);
  for (uint32_t i = 1; i < accounts; ++i) payment.credit(accounts_[i], 1);
  return payment;
}

bool CrashBook::settle(const Payment& payment) {
  const BoundedTime bounded("the retry of a payment");
  const bool is_slow = payment.posting_count() == kSlow;
  const uint64_t slow_before = is_slow ? made_slow(*book_) : 0;
  const Result<Receipt> receipt = session_->pay(payment);
  apply(payment);
  if (is_slow && receipt && !receipt->replayed) {
    EXPECT_GT(made_slow(*book_), slow_before);
  }
  if (receipt) return receipt->replayed;
  ADD_FAILURE() << "payment " << payment.id().value.text() << ": " << receipt.error().message();
  return false;
}

void CrashBook::expect_free(std::string_view lease) {
  const BoundedTime bounded("acquiring a dead process's lease");
  const Result<Grant> grant = session_->try_acquire(lease, {.ttl = std::chrono::hours(1)});
  if (!grant) {
    ADD_FAILURE() << "lease " << lease << ": " << grant.error().message();
    return;
  }
  EXPECT_EQ(grant->count, 1u) << "not its own, and nobody else's";
  EXPECT_TRUE(session_->release(grant->lease));
}

void CrashBook::check() {
  {
    const BoundedTime bounded("taking over the dead");
    EXPECT_TRUE(book_->take_over_the_dead());
  }
  EXPECT_EQ(book_->status().sessions.size(), 1u) << "only our own";
  check_balances();
  check_sessions();
  check_balances();
  check_log();
}

void CrashBook::apply(const Payment& payment) {
  for (uint32_t i = 0; i < payment.posting_count(); ++i) {
    const Posting& posting = payment.postings()[i];
    for (size_t a = 0; a < accounts_.size(); ++a)
      if (accounts_[a] == posting.account)
        expected_[a] += posting.side == Side::credit ? posting.amount : -posting.amount;
  }
}

void CrashBook::check_balances() {
  const BoundedTime bounded("reading the book");
  const Result<BookSnapshot> snapshot = book_->snapshot();
  ASSERT_TRUE(snapshot) << snapshot.error().message();
  ASSERT_EQ(snapshot->accounts.size(), accounts_.size());
  for (size_t i = 0; i < accounts_.size(); ++i) {
    EXPECT_EQ(snapshot->accounts[i].available, expected_[i]) << "account " << i;
    EXPECT_EQ(book_->balance(accounts_[i])->available, expected_[i]) << "account " << i;
  }
  const Result<AuditReport> audit = book_->audit();
  ASSERT_TRUE(audit) << audit.error().message();
  EXPECT_TRUE(audit->ok) << testing::PrintToString(audit->problems);
}

// From the floor to the end without a hole, and the end is where the last commit is.
void CrashBook::check_log() {
  const BoundedTime bounded("reading the log");
  Result<LogReader> reader = book_->read_log();
  ASSERT_TRUE(reader) << reader.error().message();
  Position last;
  for (;;) {
    const Result<std::optional<LogRecord>> record = reader->next();
    ASSERT_TRUE(record) << record.error().message() << " after " << last.value;
    if (!*record) break;
    if (last.value != 0) {
      ASSERT_EQ((*record)->position.lsn(), last.lsn() + 1) << "the log has a hole";
    }
    last = (*record)->position;
  }
  EXPECT_EQ(last, book_->position());
}

// Every slot but our own can be opened again, adopts what its dead owner left, and commits: often
// enough that each of its descriptors is used.
void CrashBook::check_sessions() {
  const BoundedTime bounded("reusing the sessions of the dead");
  std::vector<Session> reused;
  for (uint32_t i = 1; i < kSessions; ++i) {
    Result<Session> session = book_->open_session();
    ASSERT_TRUE(session) << i << ": " << session.error().message();
    reused.push_back(std::move(*session));
  }
  for (Session& session : reused)
    for (int i = 0; i < 9; ++i) {
      const Payment payment = narrow(++own_payments_);
      const Result<Receipt> receipt = session.pay(payment);
      ASSERT_TRUE(receipt) << receipt.error().message();
      EXPECT_FALSE(receipt->replayed);
      apply(payment);
    }
}

}  // namespace casbook::test_support
