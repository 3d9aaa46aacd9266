#include "support/history_caller.h"

#include <cstdio>

namespace casbook::test_support {
namespace {

using std::chrono::milliseconds;

constexpr Amount kAmountMax = 9;

// The witness reads the number out of it.
std::string lease_of(uint32_t number) { return "lease " + std::to_string(number); }

}  // namespace

HistoryCaller::HistoryCaller(HistoryWorld& world, Book& book, Session session,
                             std::vector<Account> accounts, const CallerOptions& options)
    : world_(world),
      book_(book),
      session_(std::move(session)),
      accounts_(std::move(accounts)),
      options_(options) {}

// `make` is told where to put the answer, and returns how it ended.
template <class Make>
CallEnd HistoryCaller::record(HistoryCall call, Make&& make) {
  call.process = options_.process;
  const uint64_t slot = world_.board.begin(call);
  if (slot == HistoryBoard::kCallsMax) return CallEnd::turned_away;
  must_look_anew_ = false;
  call.end = make(call);
  // Without an answer it is left as it was begun.
  if (call.end == CallEnd::unknown) return call.end;
  world_.board.end(slot, call);
  if (call.end == CallEnd::done && call.position != 0) world_.shown = call.position;
  return call.end;
}

Payment HistoryCaller::payment(uint64_t id, HistoryCall& call) const {
  test::Random random(id * 0x9e3779b97f4a7c15 + 1);
  // Of all accounts two: the first is where money comes from and goes to.
  const uint64_t from = random.below(accounts_.size());
  const uint64_t to = (from + 1 + random.below(accounts_.size() - 1)) % accounts_.size();
  call.id = id;
  call.from = accounts_[from].index, call.account = accounts_[to].index;
  call.amount = 1 + static_cast<Amount>(random.below(kAmountMax));
  Payment payment({ExternalId::of_number(id)});
  payment.debit(accounts_[from], call.amount).credit(accounts_[to], call.amount);
  return payment;
}

CallEnd HistoryCaller::pay(uint64_t id, const std::optional<Lease>& guard) {
  HistoryCall asked{.kind = CallKind::pay};
  Payment made = payment(id, asked);
  if (guard) {
    made.guard(*guard);
    asked.lease = held_number_, asked.token = guard->token.value;
  }
  return record(asked, [&](HistoryCall& call) {
    const auto receipt = options_.level == Level::memory
                             ? session_.pay(made)
                             : session_.pay(made, options_.level, options_.patience);
    if (!receipt) return refusal(call, receipt.error());
    call.position = receipt->position.value, call.is_replayed = receipt->replayed;
    return CallEnd::done;
  });
}

// Of a payment. It has reached its level already.
CallEnd HistoryCaller::refusal(HistoryCall& call, const Error& error) {
  if (error.is_recorded()) {
    call.position = error.position, call.is_replayed = error.replayed;
    return CallEnd::denied;
  }
  return end_of(error);
}

CallEnd HistoryCaller::end_of(const Error& error) {
  switch (error.code) {
    case Code::lease_held:
    case Code::lease_missing:
    case Code::lease_superseded:
      return CallEnd::refused;
    case Code::not_leader:
    case Code::book_closed:
    case Code::quarantined:
    case Code::level_unavailable:
    case Code::backpressure:
    case Code::undone:  // it was done, and is not
    case Code::overrun:
      return CallEnd::turned_away;
    case Code::outcome_unknown:
    case Code::wait_timeout:
    case Code::lease_expired:  // a grant whose holder was asleep for longer
      return CallEnd::unknown;
    default:
      must_look_anew_ = true;
      // Where nobody asks who leads, a host may not have heard of the accounts yet.
      if (options_.is_unconfirmed && error.code == Code::account_missing) return CallEnd::unknown;
      if (error.code == Code::book_moved || error.code == Code::book_missing)
        return CallEnd::unknown;
      ++world_.unexpected;
      std::fprintf(stderr, "process %u: %s\n", options_.process, error.message().c_str());
      return CallEnd::unknown;
  }
}

CallEnd HistoryCaller::once_safe(Position position, CallEnd end) {
  if (options_.level == Level::memory) return end;
  const auto reached = book_.wait(position, options_.level, options_.patience);
  if (reached) return end;
  // It was done here, so all but this leaves open what became of it.
  return reached.error().code == Code::undone ? CallEnd::turned_away : CallEnd::unknown;
}

CallEnd HistoryCaller::acquire(uint32_t number, milliseconds ttl, bool is_detached) {
  const HistoryCall asked{.kind = CallKind::acquire,
                          .lease = number,
                          .ttl_ns = std::chrono::nanoseconds(ttl).count(),
                          .is_bound = !is_detached};
  return record(asked, [&](HistoryCall& call) {
    // Always another owner, so none re-enters.
    const AcquireOptions options{.ttl = ttl,
                                 .owner_id = uint64_t{options_.process} << 32 | ++attempts_,
                                 .detached = is_detached};
    const auto grant = session_.try_acquire(lease_of(number), options);
    if (!grant) return lease_refusal(grant.error());
    call.position = grant->lease.token.value;
    const CallEnd end = once_safe(grant->position, CallEnd::done);
    // A token that may not have been given out is none.
    if (end == CallEnd::done) held_ = grant->lease, held_number_ = number, held_as_ = options;
    return end;
  });
}

CallEnd HistoryCaller::lease_refusal(const Error& error) {
  const CallEnd end = end_of(error);
  return end == CallEnd::refused ? once_safe({error.position}, end) : end;
}

CallEnd HistoryCaller::reenter(milliseconds ttl) {
  const HistoryCall asked{.kind = CallKind::reenter,
                          .lease = held_number_,
                          .token = held_->token.value,
                          .ttl_ns = std::chrono::nanoseconds(ttl).count(),
                          .is_bound = !held_as_.detached};
  return record(asked, [&](HistoryCall& call) {
    AcquireOptions options = held_as_;
    options.ttl = ttl;
    const auto grant = session_.try_acquire(lease_of(held_number_), options);
    if (!grant) return lease_refusal(grant.error());
    if (grant->lease == *held_) {
      call.position = grant->position.value, call.count = grant->count;
      return once_safe(grant->position, CallEnd::done);
    }
    const CallEnd end = once_safe(grant->position, CallEnd::done);
    if (end != CallEnd::done) return end;
    call.kind = CallKind::acquire, call.position = grant->lease.token.value, call.token = 0;
    held_ = grant->lease, held_as_ = options;
    return end;
  });
}

CallEnd HistoryCaller::renew(milliseconds ttl) {
  const Lease lease = *held_;
  const HistoryCall asked{.kind = CallKind::renew,
                          .lease = held_number_,
                          .token = lease.token.value,
                          .ttl_ns = std::chrono::nanoseconds(ttl).count()};
  return record(asked, [&](HistoryCall& call) {
    const auto start = std::chrono::steady_clock::now();
    const auto renewed = session_.renew(lease, ttl);
    if (renewed) {
      call.position = renewed->position.value;
      return once_safe(renewed->position, CallEnd::done);
    }
    // Of what is renewed the TTL is not over yet; else it may have been renewed, and be over again.
    const bool is_too_late = renewed.error().code == Code::lease_expired &&
                             std::chrono::steady_clock::now() - start < ttl;
    return is_too_late ? CallEnd::refused : lease_refusal(renewed.error());
  });
}

CallEnd HistoryCaller::release() {
  const Lease lease = *held_;
  const HistoryCall asked{
      .kind = CallKind::release, .lease = held_number_, .token = lease.token.value};
  return record(asked, [&](HistoryCall& call) {
    const auto released = session_.release(lease);
    if (!released) return lease_refusal(released.error());
    call.position = released->position.value, call.count = released->count;
    return once_safe(released->position, CallEnd::done);
  });
}

Result<Position> HistoryCaller::latest() {
  if (options_.is_unconfirmed) return book_.position();
  return book_.confirm_leading(options_.patience);
}

CallEnd HistoryCaller::read(HistoryCall& call, Position at) {
  const Account account = accounts_[call.account];
  const auto balances = book_.balances({&account, 1}, at);
  call.account = account.index;
  if (!balances) return end_of(balances.error());
  call.position = at.value, call.amount = balances->front().available;
  return once_safe(at, CallEnd::done);
}

CallEnd HistoryCaller::read_latest(uint32_t account) {
  return record({.kind = CallKind::read_latest, .account = account}, [&](HistoryCall& call) {
    const auto position = latest();
    return position ? read(call, *position) : end_of(position.error());
  });
}

CallEnd HistoryCaller::read_at(uint32_t account, Position position) {
  return record({.kind = CallKind::read_at, .account = account}, [&](HistoryCall& call) {
    const CallEnd end = once_safe(position, CallEnd::done);
    return end == CallEnd::done ? read(call, position) : end;
  });
}

CallEnd HistoryCaller::peek(uint32_t account) {
  return record({.kind = CallKind::peek, .account = account}, [&](HistoryCall& call) {
    const auto balance = book_.balance(accounts_[account]);
    call.account = accounts_[account].index;
    if (!balance) return end_of(balance.error());
    call.position = balance->position.value, call.amount = balance->available;
    return CallEnd::done;
  });
}

CallEnd HistoryCaller::tend_held(test::Random& random) {
  const milliseconds ttl(random.one_in(2) ? 10'000 : 1 + random.below(20));
  switch (random.below(5)) {
    case 0:
      return renew(ttl);
    case 1:
      return reenter(ttl);
    default:
      return release();
  }
}

CallEnd HistoryCaller::call_at_random(test::Random& random, uint64_t id, uint32_t lease_number) {
  const auto account = static_cast<uint32_t>(1 + random.below(accounts_.size() - 1));
  switch (random.below(10)) {
    case 0:
      return read_latest(account);
    case 1:
      if (world_.shown != 0) return read_at(account, {world_.shown});
      return read_latest(account);
    case 2:
      return options_.level == Level::memory ? peek(account) : read_latest(account);
    case 3:
    case 4:
      if (held_) return tend_held(random);
      [[fallthrough]];
    case 5:
      return acquire(lease_number, milliseconds(random.one_in(2) ? 10'000 : 1 + random.below(20)),
                     random.one_in(2));
    default:
      break;
  }
  const bool is_guarded = held_ && !random.one_in(3);
  const CallEnd end = pay(id, is_guarded ? held_ : std::nullopt);
  if (is_guarded && end == CallEnd::refused && random.one_in(2)) held_.reset();
  return end;
}

}  // namespace casbook::test_support
