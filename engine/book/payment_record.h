// What a payment's record says beside its changes, and how it is read back.
//
// Notes: 0  id kind | id bytes << 8 | postings << 16 | answer << 24 | code << 32
//        1  id words: 2, or 5 for an id of more than 16 bytes
//        .. user data, 2 words; then per posting {account << 1 | side, amount}
#pragma once

#include <casbook/payment.h>

#include "book/layout.h"
#include "commit/write_set.h"
#include "log/record.h"

namespace casbook::book {

// What makes a payment the same payment: postings in order, code, user data.
class PaymentContent {
 public:
  void take(const Payment& payment);  // hashes it too

  uint64_t hash() const { return hash_; }  // XXH3
  std::span<const uint64_t> words() const { return {words_, count_}; }

 private:
  uint64_t hash_ = 0;
  uint32_t count_ = 0;
  uint64_t words_[2 + 2 * kPostingsMax];  // as in the notes: user data, then the postings
};

void note_payment(commit::WriteSet& set, const Payment& payment, const PaymentContent& content,
                  uint8_t answer);

// Fills everything that the record knows. False: not a payment's record.
bool read_payment_record(const Tables& tables, const log::Record& record, PaymentInfo& info);

// The first field in which two payments differ: "posting 2: amount", "code", "user data".
std::string first_difference(const Payment& payment, const PaymentInfo& recorded);

}  // namespace casbook::book
