#include "cli/apply_summary.h"

namespace casbook::cli {

namespace {

Error why_not(const RowAnswer& row) {
  if (row.answer() == Answer::refused) return {.code = row.code(), .detail = row.detail()};
  return {.code = Code::outcome_unknown, .detail = "not answered: send the same id again"};
}

class Count {
 public:
  Count(ApplySummary& summary, RejectsFile& rejects) : summary_(summary), rejects_(rejects) {}

  void add(const PlannedOrder& planned, const RowAnswer& row) {
    switch (row.answer()) {
      case Answer::executed:
        ++summary_.executed;
        return;
      case Answer::replayed:
        ++summary_.replayed;
        return;
      case Answer::refused:
        ++summary_.refused;
        break;
      case Answer::none:
        ++summary_.unanswered;
        break;
    }
    put(planned.line, planned.order.id.value.text(), why_not(row));
  }
  void add(const Reject& reject) {
    ++summary_.rejected;
    put(reject.line, reject.payment_id, reject.error);
  }

 private:
  void put(uint64_t line, const std::string& payment_id, const Error& why) {
    ++summary_.reasons[code_name(why.code)];
    rejects_.add(line, payment_id, why);
  }

  ApplySummary& summary_;
  RejectsFile& rejects_;
};

}  // namespace

ExitCode ApplySummary::exit_code() const {
  if (unanswered > 0) return ExitCode::outcome_unknown;
  return refused + rejected > 0 ? ExitCode::refused : ExitCode::done;
}

ApplySummary sum_up(const Plan& plan, const ApplyBoard& board, RejectsFile& rejects) {
  ApplySummary summary;
  summary.rows = plan.rows();
  Count count(summary, rejects);
  auto reject = plan.rejects.begin();
  for (size_t i = 0; i < plan.orders.size(); ++i) {
    for (; reject != plan.rejects.end() && reject->line < plan.orders[i].line; ++reject)
      count.add(*reject);
    count.add(plan.orders[i], board.answers[i]);
  }
  for (; reject != plan.rejects.end(); ++reject) count.add(*reject);
  return summary;
}

Json summary_json(const ApplySummary& summary, const CrewReport& crew) {
  const double seconds = crew.duration.count();
  const double sent = static_cast<double>(summary.executed + summary.replayed + summary.refused);
  Json object = {{"rows", summary.rows},
                 {"executed", summary.executed},
                 {"replayed", summary.replayed},
                 {"refused", summary.refused},
                 {"rejected", summary.rejected},
                 {"unanswered", summary.unanswered},
                 {"reasons", Json::object()},
                 {"workers_killed", crew.killed},
                 {"seconds", seconds},
                 {"payments_per_second", seconds > 0 ? static_cast<uint64_t>(sent / seconds) : 0}};
  for (const auto& [reason, count] : summary.reasons) object["reasons"][reason] = count;
  return object;
}

}  // namespace casbook::cli
