#include <casbook/session.h>

#include "api/session_impl.h"
#include "book/book_time.h"

namespace casbook {

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<LedgerInfo> Session::open_ledger(std::string_view name, uint32_t scale) {
  if (impl_->core->is_forked()) return Code::forked;
  return impl_->core->accounts.open_ledger(impl_->writer, name, scale,
                                           book::book_time_ms(impl_->core->store));
}

Result<Account> Session::open_account(const AccountId& id, const AccountOptions& options) {
  if (impl_->core->is_forked()) return Code::forked;
  return impl_->core->accounts.open(impl_->writer, id, options,
                                    book::book_time_ms(impl_->core->store));
}

Result<void> Session::set_limits(Account account, const AccountLimits& limits) {
  if (impl_->core->is_forked()) return Code::forked;
  return impl_->core->accounts.set_limits(impl_->writer, account, limits,
                                          book::book_time_ms(impl_->core->store));
}

Result<void> Session::close_account(Account account) {
  if (impl_->core->is_forked()) return Code::forked;
  return impl_->core->accounts.close(impl_->writer, account,
                                     book::book_time_ms(impl_->core->store));
}

// Composes book and lease: a guard is the lease's holder word, whose version is the token.
Result<Receipt> Session::pay(const Payment& payment) {
  if (impl_->core->is_forked()) return Code::forked;
  book::Guard guards[kPaymentGuardsMax];
  const uint32_t count = std::min(payment.guard_count(), kPaymentGuardsMax);
  for (uint32_t i = 0; i < count; ++i) {
    const Lease& lease = payment.guards()[i];
    const bool is_lease = impl_->leases.table().is_lease(lease.place);
    guards[i] = {is_lease ? lease.place : UINT64_MAX, lease::kHolder, lease.token.value};
  }
  return impl_->payer.pay(payment, {guards, count});
}

void Session::prefetch(const Payment& payment) const {
  if (!impl_->core->is_forked()) impl_->payer.prefetch(payment);
}

Result<Grant> Session::try_acquire(std::string_view lease, const AcquireOptions& options) {
  if (impl_->core->is_forked()) return Code::forked;
  return impl_->leases.try_acquire(impl_->writer, lease, options,
                                   book::book_time_ms(impl_->core->store));
}

Result<Grant> Session::wait_acquire(std::string_view lease, const AcquireOptions& options) {
  if (impl_->core->is_forked()) return Code::forked;
  return impl_->leases.acquire(impl_->writer, lease, options);
}

Result<Grant> Session::renew(const Lease& lease, std::chrono::milliseconds ttl) {
  if (impl_->core->is_forked()) return Code::forked;
  return impl_->leases.renew(impl_->writer, lease, ttl, book::book_time_ms(impl_->core->store));
}

Result<Released> Session::release(const Lease& lease, uint64_t operation_id) {
  if (impl_->core->is_forked()) return Code::forked;
  return impl_->leases.release(impl_->writer, lease, operation_id,
                               book::book_time_ms(impl_->core->store));
}

}  // namespace casbook
