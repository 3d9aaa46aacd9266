#include <casbook/session.h>

#include <algorithm>
#include <array>

#include "api/refusal.h"
#include "api/session_impl.h"
#include "arena/duration_line.h"
#include "base/assert.h"
#include "base/clock.h"
#include "book/book_time.h"

namespace casbook {

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<void> Session::Impl::arrive() {
  if (!place->core->has_retired()) return {};
  auto core = book->share_current();
  if (!core) return core.error();
  auto slot = (*core)->attachment->open_session();
  if (!slot) return slot.error();
  place.emplace(std::move(*core), *slot);
  return {};
}

template <class Work>
auto Session::Impl::commit(Work work) -> decltype(work(std::declval<Place&>())) {
  if (is_forked()) return Code::forked;
  if (auto arrived = arrive(); !arrived) return arrived.error();
  if (auto leading = api::check_leading(*place->core); !leading) return leading.error();
  auto answer = work(*place);
  if (!answer && answer.error().code == Code::not_leader) return api::not_leader(*place->core);
  return api::judged(*place->core, std::move(answer));
}

Result<LedgerInfo> Session::open_ledger(std::string_view name, uint32_t scale) {
  return impl_->commit([&](Impl::Place& at) -> Result<LedgerInfo> {
    return api::once_covered(
        *at.core,
        at.core->accounts.open_ledger(at.writer, name, scale, book::book_time_ms(at.core->store)));
  });
}

Result<Account> Session::open_account(const AccountId& id, const AccountOptions& options) {
  return impl_->commit([&](Impl::Place& at) -> Result<Account> {
    return api::once_covered(*at.core, at.core->accounts.open(at.writer, id, options,
                                                              book::book_time_ms(at.core->store)));
  });
}

Result<void> Session::set_limits(Account account, const AccountLimits& limits) {
  return impl_->commit([&](Impl::Place& at) {
    return at.core->accounts.set_limits(at.writer, account, limits,
                                        book::book_time_ms(at.core->store));
  });
}

Result<void> Session::close_account(Account account) {
  return impl_->commit([&](Impl::Place& at) {
    return at.core->accounts.close(at.writer, account, book::book_time_ms(at.core->store));
  });
}

// Composes book and lease: a guard is the lease's holder word, whose version is the token.
void Session::Impl::pay(const Payment& payment, const book::Payer::Key& key,
                        Result<Receipt>& answer) {
  book::Guard guards[kPaymentGuardsMax];
  const uint32_t count = std::min(payment.guard_count(), kPaymentGuardsMax);
  for (uint32_t i = 0; i < count; ++i) {
    const Lease& lease = payment.guards()[i];
    const bool is_lease = place->leases.table().is_lease(lease.place);
    guards[i] = {is_lease ? lease.place : UINT64_MAX, lease::kHolder, lease.token.value};
  }
  place->payer.pay(payment, {guards, count}, key, answer);
  if (!answer && answer.error().position == 0) [[unlikely]]
    answer = api::at_its_position(*place->core, answer.error());
}

// Refusals and answers that were given before are cheaper, and would hide what a commit costs.
void Session::Impl::end_sample(int64_t begun_ns, const Result<Receipt>& answer) const {
  if (!answer || answer->replayed) return;
  arena::add_duration(place->core->mapping->commit_times().pay,
                      std::chrono::nanoseconds(base::monotonic_ns() - begun_ns),
                      arena::kCommitTimeUnit);
}

bool Session::Impl::pay_elsewhere(const Payment& payment, Result<Receipt>& answer) {
  const bool has_moved = place->core->has_retired();
  if (has_moved) {
    if (auto arrived = arrive(); !arrived) {
      answer = arrived.error();
      return false;
    }
    answer = Receipt{};
    book::Payer::Key key;
    place->payer.prefetch(payment, key);
    pay(payment, key, answer);
  }
  if (!answer && answer.error().code == Code::not_leader) answer = api::not_leader(*place->core);
  return has_moved;
}

namespace {
bool is_elsewhere(const Result<Receipt>& answer) {
  return !answer && answer.error().code == Code::not_leader;
}
}  // namespace

Result<Receipt> Session::pay(const Payment& payment) {
  Result<Receipt> answer{Receipt{}};
  if (impl_->is_forked()) {
    answer = Code::forked;
    return answer;
  }
  const int64_t sample = impl_->begin_sample();
  book::Payer::Key key;
  impl_->place->payer.prefetch(payment, key);
  impl_->pay(payment, key, answer);
  if (sample != 0) [[unlikely]]
    impl_->end_sample(sample, answer);
  if (is_elsewhere(answer)) impl_->pay_elsewhere(payment, answer);
  return answer;
}

Result<Receipt> Session::pay(const Payment& payment, Level level,
                             std::chrono::milliseconds timeout) {
  if (impl_->is_forked()) return Code::forked;
  if (auto arrived = impl_->arrive(); !arrived) return arrived.error();
  // Nothing is done at a level that the book cannot give.
  if (const auto given = api::check_level(*impl_->place->core, level); !given) return given.error();
  Result<Receipt> answer = pay(payment);
  const uint64_t position = answer ? answer->position.value : answer.error().position;
  if (position == 0) return answer;
  const int64_t began = base::monotonic_ns();
  auto reached = api::wait_held(*impl_->place->core, {position}, level, timeout);
  if (!reached && reached.error().code == Code::book_moved) {
    const auto passed = std::chrono::nanoseconds(base::monotonic_ns() - began);
    reached = impl_->book->wait(
        {position}, level, timeout - std::chrono::duration_cast<std::chrono::milliseconds>(passed));
  }
  if (!reached)
    return Error{
        .code = reached.error().code, .position = position, .detail = reached.error().detail};
  return answer;
}

void Session::pay_batch(std::span<const Payment> payments, std::span<Result<Receipt>> answers) {
  constexpr size_t kAhead = 8;  // more does not help: as many misses as a core keeps in flight
  CASBOOK_ASSERT(answers.size() >= payments.size());
  if (impl_->is_forked()) {
    std::fill_n(answers.begin(), payments.size(), Code::forked);
    return;
  }
  std::array<book::Payer::Key, kAhead> keys;
  for (size_t i = 0; i < std::min(kAhead, payments.size()); ++i)
    impl_->place->payer.prefetch(payments[i], keys[i]);
  bool has_moved = false;  // and then the keys are of another file
  for (size_t i = 0; i < payments.size(); ++i) {
    if (has_moved) {
      answers[i] = pay(payments[i]);
      continue;
    }
    book::Payer::Key& key = keys[i % kAhead];
    answers[i] = Receipt{};
    impl_->pay(payments[i], key, answers[i]);
    if (is_elsewhere(answers[i])) has_moved = impl_->pay_elsewhere(payments[i], answers[i]);
    if (!has_moved && i + kAhead < payments.size())
      impl_->place->payer.prefetch(payments[i + kAhead], key);
  }
}

void Session::prefetch(const Payment& payment) const {
  book::Payer::Key key;
  if (!impl_->is_forked()) impl_->place->payer.prefetch(payment, key);
}

Result<Grant> Session::try_acquire(std::string_view lease, const AcquireOptions& options) {
  return impl_->commit([&](Impl::Place& at) {
    return at.leases.try_acquire(at.writer, lease, options, book::book_time_ms(at.core->store));
  });
}

Result<Grant> Session::wait_acquire(std::string_view lease, const AcquireOptions& options) {
  return impl_->commit(
      [&](Impl::Place& at) { return at.leases.acquire(at.writer, lease, options); });
}

Result<Grant> Session::renew(const Lease& lease, std::chrono::milliseconds ttl) {
  return impl_->commit([&](Impl::Place& at) {
    return at.leases.renew(at.writer, lease, ttl, book::book_time_ms(at.core->store));
  });
}

Result<Released> Session::release(const Lease& lease, uint64_t operation_id) {
  return impl_->commit([&](Impl::Place& at) {
    return at.leases.release(at.writer, lease, operation_id, book::book_time_ms(at.core->store));
  });
}

}  // namespace casbook
