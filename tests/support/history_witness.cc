#include "support/history_witness.h"

#include <cstdlib>

#include "lease/layout.h"

namespace casbook::test_support {
namespace {

using Kind = WitnessRecord::Kind;

constexpr const char* kLeasePrefix = "lease ";  // and a number

// The cell whose holder the record changes; nothing: it only counts, or renews.
const WordChange* holder_change(const LogRecord& record) {
  for (const WordChange& change : record.changes)
    if (change.word == lease::kHolder) return &change;
  return nullptr;
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

uint32_t HistoryWitness::lease_at(uint64_t place) const {
  const auto found = leases_.find(place);
  return found == leases_.end() ? UINT32_MAX : found->second;
}

void HistoryWitness::take(const LogRecord& record) {
  WitnessRecord out{.position = record.position.value};
  if (record.kind == RecordKind::payment || record.kind == RecordKind::refusal) {
    out.kind = record.kind == RecordKind::payment ? Kind::pay : Kind::deny;
    read_payment(record, out);
    for (const Lease& guard : record.guards)
      out.lease = lease_at(guard.place), out.token = guard.token.value;
  }
  const WordChange* const holder = holder_change(record);
  if (record.kind == RecordKind::lease_acquire && holder) {
    out.kind = Kind::acquire;
    out.lease = static_cast<uint32_t>(
        std::strtoul(record.name.c_str() + std::string(kLeasePrefix).size(), nullptr, 10));
    leases_[holder->cell] = out.lease;
  }
  if (record.kind == RecordKind::lease_release && holder) {
    out.kind = Kind::release;
    out.lease = lease_at(holder->cell);
  }
  log_.push_back(out);
}

}  // namespace casbook::test_support
