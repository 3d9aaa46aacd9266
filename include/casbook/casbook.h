// casbook: a lock-free shared-memory transaction engine for payments. This header brings it all.
//
//   auto book = casbook::Book::attach("demo");
//   auto session = book->open_session();
//   auto paid = session->pay(casbook::Payment(id).debit(payer, 250).credit(payee, 250));
//
// The guarantee: a payment answered with a receipt moved its money once and whole; no crash, kill or
// pause of an attached process undoes that or blocks the others, and within the window its id gets
// the first answer. What is answered at level `memory` dies with the host; at level `durable`, which
// a book has that a daemon keeps a journal of, it does not.
#pragma once

#include <casbook/account.h>
#include <casbook/audit.h>
#include <casbook/book.h>
#include <casbook/cluster.h>
#include <casbook/journal.h>
#include <casbook/lease.h>
#include <casbook/log.h>
#include <casbook/payment.h>
#include <casbook/result.h>
#include <casbook/session.h>
#include <casbook/types.h>
