// Damage in what the book's cells mean. Writes nothing.
#pragma once

#include "base/findings.h"
#include "book/accounts.h"
#include "book/payment_ids.h"

namespace casbook::book {

// Opened accounts have flags, a ledger that there is and an id by which they are found; the others
// have none of it.
void check_accounts(const commit::Store& store, const Tables& tables, const Accounts& accounts,
                    base::Findings& findings);
// Entries have the print that their id hashes to and stand in its chain.
void check_payment_ids(const commit::Store& store, const Tables& tables, const PaymentIds& ids,
                       base::Findings& findings);

}  // namespace casbook::book
