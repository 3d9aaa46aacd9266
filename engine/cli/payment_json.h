// Payments as they are printed.
#pragma once

#include <casbook/payment.h>

#include "cli/names.h"
#include "cli/output.h"

namespace casbook::cli {

// id, outcome, position, time; code, user_data and postings while the ring holds the record.
Json payment_json(const PaymentInfo& payment, Names& names);
// The answer to a payment that was executed: once, or now again.
Json receipt_json(const Payment& payment, const Receipt& receipt, Level level, Names& names);
// "alice -> bob 12.50 CZK"; of more than two postings each with its side.
std::string postings_text(const PaymentInfo& payment, Names& names);

}  // namespace casbook::cli
