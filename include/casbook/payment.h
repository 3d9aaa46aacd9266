// Payments and their answers.
#pragma once

#include <array>
#include <cstdint>

#include <casbook/lease.h>
#include <casbook/types.h>

namespace casbook {

enum class Side : uint8_t { debit = 0, credit = 1 };

// Credit raises what is available in an account, debit lowers it.
struct Posting {
  Account account;
  Side side = Side::debit;
  Amount amount = 0;  // minor units, 1 to 2^63-1
  bool operator==(const Posting&) const = default;
};

constexpr uint32_t kPaymentPostingsMax = 8;
constexpr uint32_t kPaymentGuardsMax = 4;

// 2 to 8 postings that balance to zero in each ledger; several ledgers may be mixed. The id is the
// idempotency key: the same id with the same content gets the first answer again. Content is the
// postings in order, code and user data; not the guards, and not who submits.
//
//   Payment(id).debit(payer, 250).credit(payee, 250).guard(lease)
class Payment {
 public:
  explicit Payment(const PaymentId& id) : id_(id) {}

  Payment& debit(Account account, Amount amount) { return add({account, Side::debit, amount}); }
  Payment& credit(Account account, Amount amount) { return add({account, Side::credit, amount}); }
  Payment& add(const Posting& posting) {
    if (posting_count_ < kPaymentPostingsMax) postings_[posting_count_] = posting;
    ++posting_count_;  // one too many is refused by pay() as bad_argument
    return *this;
  }
  // For reconciliation; stored and shown, never interpreted.
  Payment& code(uint32_t code) { code_ = code; return *this; }
  Payment& user_data(uint64_t low, uint64_t high = 0) { user_data_ = {low, high}; return *this; }
  // The payment commits only if the lease still has this token at that very instant: a stale
  // holder cannot pay. At most 4.
  Payment& guard(const Lease& lease) {
    if (guard_count_ < kPaymentGuardsMax) guards_[guard_count_] = lease;
    ++guard_count_;
    return *this;
  }

  const PaymentId& id() const { return id_; }
  const std::array<Posting, kPaymentPostingsMax>& postings() const { return postings_; }
  uint32_t posting_count() const { return posting_count_; }
  uint32_t code() const { return code_; }
  const std::array<uint64_t, 2>& user_data() const { return user_data_; }
  const std::array<Lease, kPaymentGuardsMax>& guards() const { return guards_; }
  uint32_t guard_count() const { return guard_count_; }

 private:
  // What every payment has comes first: a payment of two accounts is read from few cache lines.
  PaymentId id_;
  uint32_t posting_count_ = 0, guard_count_ = 0, code_ = 0;
  std::array<uint64_t, 2> user_data_{};
  std::array<Posting, kPaymentPostingsMax> postings_{};
  std::array<Lease, kPaymentGuardsMax> guards_{};
};

// The answer to an executed payment. `memory` is the level reached: it dies with the host.
struct Receipt {
  Position position;
  int64_t time_ms = 0;         // book time
  bool replayed = false;       // the id was executed before; this is the first answer again
  bool balances_known = false; // always for a first answer; later while the ring holds the record
  uint32_t balance_count = 0;  // one per posting
  std::array<Amount, kPaymentPostingsMax> available{};  // after the payment, per posting
};

// What the book knows of a payment id inside the window.
struct PaymentInfo {
  PaymentId id;
  bool executed = false;
  Code refusal{};              // of a recorded refusal, where not executed
  Position position;
  int64_t time_ms = 0;
  bool record_held = false;    // postings, code, user data and balances below are known
  uint32_t posting_count = 0;
  std::array<Posting, kPaymentPostingsMax> postings{};
  std::array<Amount, kPaymentPostingsMax> available{};
  uint32_t code = 0;
  std::array<uint64_t, 2> user_data{};
};

}  // namespace casbook
