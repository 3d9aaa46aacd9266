// How an `apply` ended: what became of the rows.
#pragma once

#include <map>
#include <string>

#include "cli/apply_crew.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/rejects_file.h"

namespace casbook::cli {

struct ApplySummary {
  uint64_t rows = 0, executed = 0, replayed = 0;
  uint64_t refused = 0;     // by the book
  uint64_t rejected = 0;    // never sent: the row itself is wrong
  uint64_t unanswered = 0;  // not sent, or sent by a worker that died: send the file again
  std::map<std::string, uint64_t> reasons;  // of all but executed and replayed, by code

  ExitCode exit_code() const;
};

// Counts, and writes a line of the rejects file for each row that moved no money, in file order.
ApplySummary sum_up(const Plan& plan, const ApplyBoard& board, RejectsFile& rejects);
Json summary_json(const ApplySummary& summary, const CrewReport& crew);

}  // namespace casbook::cli
