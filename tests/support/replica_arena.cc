#include "support/replica_arena.h"

#include "log/terms.h"
#include "support/lanes.h"

namespace casbook::test_support {

using replicate::LogEntry;

FollowerBook::FollowerBook(const arena::Mapping& leader) {
  auto request = must(journal::request_of(must(journal::shape_of(leader)), directory()));
  request.name = kName;
  must(arena::create(request, [](arena::Mapping& mapping) -> Result<void> {
    commit::Store::format(mapping, false);
    return {};
  }));
}

namespace {

CreateOptions busy_options(uint64_t records) {
  CreateOptions options = small_options();
  options.accounts = 512;
  options.payments = 4000;
  options.window = std::chrono::seconds(10);
  options.records = records;
  return options;
}

}  // namespace

BusyLeader::BusyLeader(uint64_t records)
    : book(busy_options(records)), replica(book.directory.path(), "book") {
  begin_slow({6, 8});
  for (int i = 0; i < 8; ++i) accounts.push_back(book.open_with("a" + std::to_string(i), 1000));
  for (int term = 1; term <= 3; ++term) {
    work(2);
    if (term == 3) break;
    must(book.book.set_quarantine(true));
    must(book.book.set_quarantine(false));
  }
}

void BusyLeader::work(int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const int round = rounds_++;
    step_wall_clock(2000);  // so that the horizon moves
    administer(round);
    take_leases(round);
    refuse(round);
    pay(20);
  }
  const auto slow_min = static_cast<uint64_t>(rounds_) * 6;  // three each of pay() and refuse()
  if (made_slow(book.book) < slow_min) throw std::runtime_error("hardly anything in the slow lane");
}

void BusyLeader::pay(int count) {
  for (int i = 0; i < count; ++i) {
    const auto n = static_cast<size_t>(i);
    must(book.session.pay(
        Payment(book.fresh_id()).debit(book.world, 3).credit(accounts[n % accounts.size()], 3)));
    // Of eight accounts in the slow lane, of seven in the fast one.
    const size_t others = i % 8 == 0 ? 7 : 6;
    Payment wide(book.fresh_id());
    wide.debit(book.world, static_cast<Amount>(others));
    for (size_t a = 0; a < others; ++a) wide.credit(accounts[a], 1);
    if (i % 4 == 0) must(book.session.pay(wide));
    // A text takes two entries of its bucket.
    if (i % 5 == 0)
      must(book.session.pay(Payment(payment_id("a long id of a payment, number " +
                                               std::to_string(rounds_ * 1000 + i)))
                                .debit(accounts[n % 8], 1)
                                .credit(book.world, 1)
                                .code(7)));
  }
}

void BusyLeader::administer(int round) {
  const std::string name = "extra " + std::to_string(round);
  const Account extra = book.open(name, {.min_available = -5, .max_available = 50});
  must(book.session.set_limits(extra, {.min_available = -round, .max_available = 100 + round}));
  must(book.session.set_limits(accounts[3], {.min_available = -100 - round}));
  if (round % 2 == 0) must(book.session.close_account(extra));
}

void BusyLeader::take_leases(int round) {
  const std::string name = "lease " + std::to_string(round % 3);
  const Grant grant = must(book.session.try_acquire(name, {.ttl = std::chrono::hours(1)}));
  must(book.session.renew(grant.lease, std::chrono::hours(2)));
  must(book.session.pay(
      Payment(book.fresh_id()).debit(book.world, 1).credit(accounts[0], 1).guard(grant.lease)));
  must(book.session.release(grant.lease));
  (void)!book.session.try_acquire("kept " + std::to_string(round % 2),
                                  {.ttl = std::chrono::hours(1)});
}

void BusyLeader::refuse(int round) {
  const auto require = [](const Result<Receipt>& answer, Code code) {
    if (code_of(answer) != code) throw std::runtime_error("refused otherwise than expected");
  };
  constexpr Amount kTooMuch = 1'000'000'000;
  require(book.session.pay(
              Payment(book.fresh_id()).debit(accounts[1], kTooMuch).credit(accounts[2], kTooMuch)),
          Code::insufficient_available);
  // In the slow lane: too little, too much, and closed.
  const Account tight = book.open("tight " + std::to_string(round), {.max_available = 10});
  const auto wide = [&](Account from, Account to, Amount amount) {
    Payment payment(book.fresh_id());
    payment.debit(from, amount * 5).credit(to, amount);
    for (size_t a = 4; a < 8; ++a) payment.credit(accounts[a], amount);
    return payment;
  };
  require(book.session.pay(wide(accounts[1], accounts[2], kTooMuch)), Code::insufficient_available);
  require(book.session.pay(wide(accounts[3], accounts[2], kTooMuch)), Code::insufficient_available);
  require(book.session.pay(wide(book.world, tight, 11)), Code::ceiling_exceeded);
  must(book.session.close_account(tight));
  require(book.session.pay(wide(book.world, tight, 1)), Code::account_closed);
}

std::vector<LogEntry> BusyLeader::entries(uint64_t bytes_max) const {
  std::vector<LogEntry> list;
  for (uint64_t lsn = commit::kFirstLsn;;) {
    LogEntry entry = must(replica->take(lsn, bytes_max));
    if (entry.count == 0) return list;
    lsn += entry.count;
    entry.index = list.size() + 1;
    list.push_back(std::move(entry));
  }
}

std::string difference(const commit::Store& leader, const commit::Store& follower) {
  const uint64_t end = log::log_end(leader);
  if (log::log_end(follower) != end)
    return "the end of the log is " + std::to_string(log::log_end(follower)) + ", expected " +
           std::to_string(end);
  const uint64_t from = std::max(log::log_floor(leader), log::log_floor(follower));
  if (records_of(leader, from, end) != records_of(follower, from, end)) return "the records differ";
  for (uint32_t i = 0; i < kTermStarts; ++i)
    if (leader.control().term_starts[i].load_relaxed() !=
        follower.control().term_starts[i].load_relaxed())
      return "term " + std::to_string(i) + " begins elsewhere";
  if (follower.control().gate.load_relaxed() & 1) return "the gate is open";
  return first_difference(leader, follower);
}

}  // namespace casbook::test_support
