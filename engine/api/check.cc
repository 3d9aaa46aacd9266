// Book::check() and Book::set_quarantine(): what is done when a book is in doubt.
#include <casbook/book.h>

#include "api/book_impl.h"
#include "book/check.h"
#include "commit/check.h"
#include "commit/executor.h"
#include "commit/retention.h"
#include "lease/table.h"
#include "log/check.h"
#include "log/durable.h"
#include "log/log_reader.h"

namespace casbook {

CheckReport Book::check() const {
  CheckReport report;
  const auto view = impl_->view();
  const api::Core& core = *view;
  if (core.is_forked()) return report;
  base::Findings findings;
  commit::check_log(core.store, findings);
  // What follows scans the log, and would never end in one that is not contiguous.
  if (findings.list().empty()) {
    report.position = position();
    commit::check_cells(core.store, findings);
    commit::check_descriptors(core.store, findings);
    log::check_records(core.store, findings);
    log::check_blocks(core.store, findings);
    log::check_followers(core.store, findings);
  }
  if (findings.list().empty()) {
    book::check_accounts(core.store, core.tables, core.accounts, findings);
    book::check_payment_ids(core.store, core.tables, core.ids, findings);
    lease::check_leases(core.store, findings);
    if (const auto audited = audit())
      for (const std::string& problem : audited->problems) findings.add(problem);
  }
  report.problems = findings.list();
  report.ok = report.problems.empty();
  return report;
}

// Crash windows: Q1 the epoch is named, the gate open: the book works. Q2 sealed: quarantined.
// Q3 open again: the book works.
Result<void> Book::set_quarantine(bool on) {
  const auto view = impl_->view();
  const api::Core& core = *view;
  if (core.is_forked()) return Code::forked;
  if (!core.attachment) return Code::read_only;
  commit::Executor executor(core.store);
  // Marks do not look for room themselves: beside a follower that holds a full ring there is room
  // for some, which are kept for shutting the book.
  const bool has_room = commit::Retention(core.store).admits(log::log_end(core.store));
  if (!on && !has_room) return Code::backpressure;
  const auto gate = [&] { return core.store.control().gate.load_acquire(); };  // [gate]
  uint64_t seen = gate();
  if (on) {
    // Progress: another round means that somebody opened the book meanwhile.
    for (; seen & 1; seen = gate()) {
      executor.raise_quarantine(seen >> 1);
      base::fault_point(base::FaultPoint::quarantine_before_seal);
      executor.seal(seen >> 1);
    }
    executor.raise_quarantine(seen >> 1);
  } else if (core.store.is_replicated()) {
    return Error{Code::not_leader, false, 0, 0,
                 "a cluster keeps this book: whoever is elected next opens it"};
  } else if (!(seen & 1) && core.store.closed_code() == Code::quarantined) {
    if (seen >> 1 == kTermMax)
      return Error{Code::book_full, false, 0, 0, "terms: read it, and go on in another book"};
    if (const auto journal = log::journal_of(core.store);
        journal.id != 0 && journal.promised_term <= seen >> 1)
      return Error{Code::book_closed, false, 0, 0,
                   "the daemon has to promise the next term first: see that it runs"};
    if (log::is_journaled(core.store))
      if (auto served = api::check_journal(core); !served)
        return Error{Code::book_closed, false, 0, 0, served.error().detail};
    executor.open((seen >> 1) + 1);
    base::fault_point(base::FaultPoint::quarantine_after_open);
  }
  return {};
}

}  // namespace casbook
