// What went wrong in a bout: the diaries of those who asked, held against what the accounts have in
// the end. Told twice, in two ways: by counting how often each payment was executed,
// and by the tests' own checker of histories (tests/support/linearizability.h), which knows nothing
// but what payments and balances are.
#pragma once

#include <string>
#include <vector>

#include "torture/stream.h"

namespace casbook::torture {

// How a bout ended.
struct Evidence {
  Transfers transfers{};
  std::vector<const Diary*> diaries{};
  int64_t payer_funds = 0, payee_funds = 0;
  uint64_t noted = 0;  // a bit for each payment
};

struct Verdict {
  // Executions of a payment beyond its first.
  uint64_t twice = 0;
  // Payments that were answered or noted as paid and are not in the accounts, or in one of both;
  // those answered as refused that are there. One where all are there, but the answers fit in no
  // order.
  uint64_t lost = 0;
  // Below nothing, though each payment looks at the funds first: the same money was spent twice.
  uint64_t overdrawn = 0;
  bool is_disagreement =
      false;           // a count without an answer that is wrong: a defect of this program
  std::string text{};  // of the checker of histories; empty: it can have been

  bool is_clean() const { return twice + lost + overdrawn == 0; }
};

Verdict judge(const Evidence& evidence);

}  // namespace casbook::torture
