// Executing a payment: plan, judge, commit, answer. One Payer per session; allocates nothing.
//
// Order of precedence, fixed and tested: bad argument; book closed; the answer under the id, or
// payment_conflict; payment_too_old, payment_from_future; lease_missing, lease_superseded;
// account_missing, ledger_mismatch, account_closed; amount_overflow; insufficient_available,
// ceiling_exceeded. Then the failures: payment_window_full, backpressure.
//
// Fast lane: accounts are version-checked (set). All payments begin there, however wide. Slow lane,
// for a payment that lost three times: amounts are added within bounds at whatever version the
// account has, judged under the locks; a request made that way cannot starve under others.
#pragma once

#include <casbook/payment.h>

#include "book/payment_ids.h"
#include "book/payment_record.h"
#include "log/log_writer.h"

namespace casbook::book {

// Where a lease lives and what it must be: composed by the layer that knows leases.
struct Guard {
  Unit unit;
  uint32_t word;
  uint64_t word_version;
};

class Payer {
 public:
  Payer(log::LogWriter& writer, const Tables& tables)
      : writer_(writer), store_(writer.store()), tables_(tables), ids_(store_, tables) {}

  using Key = PaymentIds::Key;

  // Brings the cells of a payment near: at once before pay(), or some payments ahead.
  void prefetch(const Payment& payment, Key& key) const;
  // `guards` stand for payment.guards(), in order; `key` is what prefetch() gave for this payment.
  // `answer` holds a fresh Receipt, to be filled in place: a copy of it costs a tenth of a payment.
  void pay(const Payment& payment, std::span<const Guard> guards, const Key& key,
           Result<Receipt>& answer);

  const PaymentIds& ids() const { return ids_; }

 private:
  // One account of the payment, its postings netted.
  struct Leg {
    uint32_t account = 0, ledger = 0;
    bool overflow = false;
    int64_t delta = 0;
    uint64_t version = 0, traits = 0, traits_version = 0;
    int64_t available = 0;         // before
    int64_t min = 0, max = 0;      // bounds of what is available after
    uint64_t profile_version = 0;  // where a limit stands in the profile
    bool has_profile_limit = false;
  };
  enum class Step { answered, again };

  static const char* first_defect(const Payment& payment);
  const char* net(const Payment& payment);
  Step attempt(const Payment& payment, std::span<const Guard> guards, const Key& key, bool slow,
               Result<Receipt>& answer);
  // The first refusal in order of precedence, of whichever guard.
  Code check_guards(std::span<const Guard> guards);
  Code check_guard(const Guard& guard);
  void add_guards(std::span<const Guard> guards);
  bool net_pair(const Payment& payment);
  void read_legs();
  void read_leg(Leg& leg);
  // The first refusal in order of precedence, and the leg that causes it. 0: none.
  uint32_t judge(Leg*& cause);
  void add_fast(bool refused);
  void add_slow();
  void add_denial(const Leg& cause);
  Step finish(const Payment& payment, std::span<const Guard> guards, uint8_t refusal,
              int64_t now_ms, Result<Receipt>& answer);
  Result<Receipt> replay(const Payment& payment, const IdAnswer& recorded) const;
  void correct_slow(const commit::CommitResult& result, int64_t* after) const;
  void fill_receipt(const Payment& payment, int64_t now_ms, const commit::CommitResult& result,
                    Receipt& receipt) const;

  log::LogWriter& writer_;
  const commit::Store& store_;
  const Tables& tables_;
  PaymentIds ids_;
  PaymentContent content_;
  commit::WriteSet set_;
  Leg legs_[kPostingsMax];
  uint32_t leg_count_ = 0;
};

}  // namespace casbook::book
