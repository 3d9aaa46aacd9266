#include "cli/demo/verdict.h"

#include "cli/demo/number_text.h"
#include "cli/demo/reconciliation.h"

namespace casbook::cli::demo {

namespace {

Claim conserved_claim(const RiskBoard& risk) {
  const uint64_t violations = risk.violations.load_relaxed();
  const uint64_t snapshots = risk.snapshots.load_relaxed();
  return {"money is conserved in every snapshot", violations == 0 && snapshots > 0,
          count_text(snapshots, "snapshot", "snapshots") + ", " +
              count_text(violations, "violation", "violations")};
}

Claim audit_claim(const Book& book) {
  const auto report = book.audit();
  Claim claim{"the audit finds nothing", report && report->ok, {}};
  if (!report)
    claim.evidence = report.error().message();
  else if (!report->problems.empty())
    claim.evidence = report->problems.front();
  else
    claim.evidence = with_commas(report->accounts) + " accounts sum to zero, " +
                     with_commas(report->records) + " records chain";
  return claim;
}

Claim once_claim(const Reconciliation& found) {
  const bool holds =
      found.wrong_lookups == 0 && found.wrong_balances == 0 && found.acknowledged > 0;
  return {
      "every acknowledged payment is in the book exactly once", holds,
      holds
          ? with_commas(found.acknowledged) + " looked up; every balance is the sum of the answers"
          : with_commas(found.wrong_lookups) + " payments and " +
                with_commas(found.wrong_balances) + " balances differ: " + found.first_problem};
}

Claim duplicates_claim(const Vitals& gateway) {
  const uint64_t right = gateway.duplicates.load_relaxed();
  const uint64_t wrong = gateway.wrong_duplicates.load_relaxed();
  return {"a payment sent again gets its first answer", wrong == 0 && right > 0,
          with_commas(right) + " did, " + with_commas(wrong) + " did not"};
}

Claim kill_claim(const Board& board, const IncidentCounts& counts) {
  uint64_t resumed = 0;
  for (const WorkerBoard& worker : board.workers)
    resumed += worker.settled_before.load_relaxed() + worker.settled_again.load_relaxed();
  return {"a killed worker's work goes on",
          counts.kills_at_desk > 0 && counts.comebacks == counts.kills,
          count_text(counts.kills, "kill", "kills") + ", " + with_commas(counts.kills_at_desk) +
              " of them at a desk; " + with_commas(counts.comebacks) + " came back; " +
              count_text(resumed, "payout", "payouts") + " cut off and sent again"};
}

Claim stale_claim(const Board& board, const IncidentCounts& counts, const Reconciliation& found) {
  uint64_t superseded = 0;
  for (const WorkerBoard& worker : board.workers) superseded += worker.superseded.load_relaxed();
  const bool holds = counts.stops > 0 && superseded > 0 && found.stale_in_book == 0;
  return {"who was stopped past its lease cannot pay", holds,
          count_text(counts.stops, "stop", "stops") + ", " +
              count_text(superseded, "payment", "payments") + " refused as lease_superseded, " +
              with_commas(found.stale_in_book) + " in the book"};
}

Claim silence_claim(const Course& course) {
  const bool holds = course.silence_ns < kSilenceNsMax && course.all_ended;
  return {"nobody was blocked by a dead or stopped process", holds,
          "longest silence " + ns_text(static_cast<uint64_t>(course.silence_ns)) + " (" +
              course.silent_name + "), at most " + ns_text(static_cast<uint64_t>(kSilenceNsMax)) +
              (course.all_ended ? "" : "; not all ended when told to")};
}

Claim failures_claim(const std::vector<std::string>& failures) {
  return {"no process failed", failures.empty(),
          failures.empty() ? "every answer was an expected one" : failures.front()};
}

}  // namespace

std::vector<Claim> judge(const Setting& setting, const Book& book, const Course& course) {
  const Board& board = setting.records.board();
  const Reconciliation found = reconcile(setting, book);
  return {conserved_claim(board.risk),
          audit_claim(book),
          once_claim(found),
          duplicates_claim(board.gateway),
          kill_claim(board, course.incidents),
          stale_claim(board, course.incidents, found),
          silence_claim(course),
          failures_claim(course.failures)};
}

}  // namespace casbook::cli::demo
