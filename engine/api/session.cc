#include <casbook/session.h>

#include <algorithm>
#include <array>

#include "api/refusal.h"
#include "api/session_impl.h"
#include "arena/duration_line.h"
#include "base/assert.h"
#include "book/book_time.h"

namespace casbook {

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<LedgerInfo> Session::open_ledger(std::string_view name, uint32_t scale) {
  if (impl_->core->is_forked()) return Code::forked;
  return api::judged(*impl_->core,
                     impl_->core->accounts.open_ledger(impl_->writer, name, scale,
                                                       book::book_time_ms(impl_->core->store)));
}

Result<Account> Session::open_account(const AccountId& id, const AccountOptions& options) {
  if (impl_->core->is_forked()) return Code::forked;
  return api::judged(*impl_->core,
                     impl_->core->accounts.open(impl_->writer, id, options,
                                                book::book_time_ms(impl_->core->store)));
}

Result<void> Session::set_limits(Account account, const AccountLimits& limits) {
  if (impl_->core->is_forked()) return Code::forked;
  return api::judged(*impl_->core,
                     impl_->core->accounts.set_limits(impl_->writer, account, limits,
                                                      book::book_time_ms(impl_->core->store)));
}

Result<void> Session::close_account(Account account) {
  if (impl_->core->is_forked()) return Code::forked;
  return api::judged(
      *impl_->core,
      impl_->core->accounts.close(impl_->writer, account, book::book_time_ms(impl_->core->store)));
}

// Composes book and lease: a guard is the lease's holder word, whose version is the token.
void Session::Impl::pay(const Payment& payment, const book::Payer::Key& key,
                        Result<Receipt>& answer) {
  book::Guard guards[kPaymentGuardsMax];
  const uint32_t count = std::min(payment.guard_count(), kPaymentGuardsMax);
  for (uint32_t i = 0; i < count; ++i) {
    const Lease& lease = payment.guards()[i];
    const bool is_lease = leases.table().is_lease(lease.place);
    guards[i] = {is_lease ? lease.place : UINT64_MAX, lease::kHolder, lease.token.value};
  }
  payer.pay(payment, {guards, count}, key, answer);
  if (!answer && answer.error().position == 0) [[unlikely]]
    answer = api::at_its_position(*core, answer.error());
}

// Refusals and answers that were given before are cheaper, and would hide what a commit costs.
void Session::Impl::end_sample(int64_t begun_ns, const Result<Receipt>& answer) const {
  if (!answer || answer->replayed) return;
  arena::add_duration(core->mapping->commit_times().pay,
                      std::chrono::nanoseconds(base::monotonic_ns() - begun_ns),
                      arena::kCommitTimeUnit);
}

Result<Receipt> Session::pay(const Payment& payment) {
  Result<Receipt> answer{Receipt{}};
  if (impl_->core->is_forked()) {
    answer = Code::forked;
    return answer;
  }
  const int64_t sample = impl_->begin_sample();
  book::Payer::Key key;
  impl_->payer.prefetch(payment, key);
  impl_->pay(payment, key, answer);
  if (sample != 0) [[unlikely]]
    impl_->end_sample(sample, answer);
  return answer;
}

Result<Receipt> Session::pay(const Payment& payment, Level level,
                             std::chrono::milliseconds timeout) {
  if (impl_->core->is_forked()) return Code::forked;
  // Nothing is done at a level that the book cannot give.
  if (const auto given = api::check_level(*impl_->core, level); !given) return given.error();
  Result<Receipt> answer = pay(payment);
  const uint64_t position = answer ? answer->position.value : answer.error().position;
  if (position == 0) return answer;
  if (auto reached = api::wait_held(*impl_->core, {position}, level, timeout); !reached)
    return Error{
        .code = reached.error().code, .position = position, .detail = reached.error().detail};
  return answer;
}

void Session::pay_batch(std::span<const Payment> payments, std::span<Result<Receipt>> answers) {
  constexpr size_t kAhead = 8;  // more does not help: as many misses as a core keeps in flight
  CASBOOK_ASSERT(answers.size() >= payments.size());
  if (impl_->core->is_forked()) {
    std::fill_n(answers.begin(), payments.size(), Code::forked);
    return;
  }
  std::array<book::Payer::Key, kAhead> keys;
  for (size_t i = 0; i < std::min(kAhead, payments.size()); ++i)
    impl_->payer.prefetch(payments[i], keys[i]);
  for (size_t i = 0; i < payments.size(); ++i) {
    book::Payer::Key& key = keys[i % kAhead];
    answers[i] = Receipt{};
    impl_->pay(payments[i], key, answers[i]);
    if (i + kAhead < payments.size()) impl_->payer.prefetch(payments[i + kAhead], key);
  }
}

void Session::prefetch(const Payment& payment) const {
  book::Payer::Key key;
  if (!impl_->core->is_forked()) impl_->payer.prefetch(payment, key);
}

Result<Grant> Session::try_acquire(std::string_view lease, const AcquireOptions& options) {
  if (impl_->core->is_forked()) return Code::forked;
  return api::judged(*impl_->core,
                     impl_->leases.try_acquire(impl_->writer, lease, options,
                                               book::book_time_ms(impl_->core->store)));
}

Result<Grant> Session::wait_acquire(std::string_view lease, const AcquireOptions& options) {
  if (impl_->core->is_forked()) return Code::forked;
  return api::judged(*impl_->core, impl_->leases.acquire(impl_->writer, lease, options));
}

Result<Grant> Session::renew(const Lease& lease, std::chrono::milliseconds ttl) {
  if (impl_->core->is_forked()) return Code::forked;
  return api::judged(*impl_->core, impl_->leases.renew(impl_->writer, lease, ttl,
                                                       book::book_time_ms(impl_->core->store)));
}

Result<Released> Session::release(const Lease& lease, uint64_t operation_id) {
  if (impl_->core->is_forked()) return Code::forked;
  return api::judged(*impl_->core, impl_->leases.release(impl_->writer, lease, operation_id,
                                                         book::book_time_ms(impl_->core->store)));
}

}  // namespace casbook
