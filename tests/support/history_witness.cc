#include "support/history_witness.h"

#include <cstdlib>

#include "lease/layout.h"

namespace casbook::test_support {
namespace {

using Step = WitnessRecord::Kind;

constexpr const char* kLeasePrefix = "lease ";  // and a number

const WordChange* change_of(const LogRecord& record, uint32_t word) {
  for (const WordChange& change : record.changes)
    if (change.word == word) return &change;
  return nullptr;
}

// Of one that changes no holder. Those whose times a new leader begins anew are of no call.
void read_lease(const LogRecord& record, LoneRecord& lone) {
  if (record.changes.empty()) return;
  lone.place = record.changes.front().cell;
  if (record.kind == RecordKind::lease_renew) lone.record.kind = Step::renew;
  if (record.kind == RecordKind::lease_acquire) lone.record.kind = Step::reenter;
  if (record.kind == RecordKind::lease_release) lone.record.kind = Step::leave;
  const WordChange* const count = change_of(record, lease::kCount);
  if (count) lone.record.count = static_cast<uint32_t>(count->new_value);
}

// Two postings, as the callers of histories make them.
void read_payment(const LogRecord& record, WitnessRecord& out) {
  const PaymentInfo& payment = record.payment;
  out.id = payment.id.value.words()[0];
  for (uint32_t i = 0; i < payment.posting_count; ++i) {
    const Posting& posting = payment.postings[i];
    (posting.side == Side::credit ? out.account : out.from) = posting.account.index;
    out.amount = posting.amount;
  }
}

}  // namespace

LoneRecord lone_record(const LogRecord& record) {
  LoneRecord lone{.record = {.position = record.position.value}};
  WitnessRecord& out = lone.record;
  if (record.kind == RecordKind::payment || record.kind == RecordKind::refusal) {
    out.kind = record.kind == RecordKind::payment ? Step::pay : Step::deny;
    read_payment(record, out);
    for (const Lease& guard : record.guards)
      lone.place = guard.place, out.token = guard.token.value;
  }
  const bool is_acquire = record.kind == RecordKind::lease_acquire;
  const bool is_lease = is_acquire || record.kind == RecordKind::lease_release ||
                        record.kind == RecordKind::lease_renew;
  if (!is_lease) return lone;
  const WordChange* const holder = change_of(record, lease::kHolder);
  if (!holder) return read_lease(record, lone), lone;
  lone.place = holder->cell;
  out.kind = is_acquire ? Step::acquire : Step::release;
  if (is_acquire)
    out.lease = static_cast<uint32_t>(
        std::strtoul(record.name.c_str() + std::string(kLeasePrefix).size(), nullptr, 10));
  return lone;
}

void HistoryWitness::take(const LoneRecord& lone) {
  WitnessRecord record = lone.record;
  if (record.kind == Step::acquire) leases_[lone.place] = record.lease;
  if (record.kind != Step::acquire && lone.place != LoneRecord::kNowhere) {
    const auto found = leases_.find(lone.place);
    record.lease = found == leases_.end() ? UINT32_MAX : found->second;
  }
  log_.push_back(record);
}

}  // namespace casbook::test_support
