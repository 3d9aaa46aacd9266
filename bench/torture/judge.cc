#include "torture/judge.h"

#include "support/linearizability.h"

namespace casbook::torture {
namespace {

using peers::Answer;
using test_support::LinearCall;

// How often each payment is in an account, by its index.
struct Executions {
  std::array<int64_t, kPaymentsMax> of{};
  bool is_readable = true;
};

Executions executions_in(int64_t moved, const Transfers& transfers) {
  Executions executions;
  for (uint32_t i = 0; i < kPaymentsMax; ++i) executions.of[i] = moved / transfers[i].amount % 4;
  executions.is_readable = moved >= 0;
  return executions;
}

// What the callers were told of a payment.
struct Told {
  bool is_paid = false, is_refused = false;
};

Told told_of(const std::vector<const Diary*>& diaries, uint32_t index) {
  Told told;
  for (const Diary* diary : diaries)
    for (uint64_t i = 0; i < diary->count.load_relaxed(); ++i) {
      const Diary::Line& line = diary->lines[i];
      const uint64_t answer = line.answer_plus_1.load_relaxed();
      if (line.index_plus_1.load_relaxed() != index + 1 || answer == 0) continue;
      const bool is_refused = answer - 1 == static_cast<uint64_t>(Answer::refused);
      (is_refused ? told.is_refused : told.is_paid) = true;
    }
  return told;
}

void count(const Evidence& evidence, Verdict& verdict) {
  const Executions out = executions_in(kFunds - evidence.payer_funds, evidence.transfers);
  const Executions in = executions_in(evidence.payee_funds - kFunds, evidence.transfers);
  if (!out.is_readable || !in.is_readable) ++verdict.lost;
  verdict.overdrawn += evidence.payer_funds < 0 || evidence.payee_funds < 0;
  for (uint32_t i = 0; i < kPaymentsMax; ++i) {
    const Told told = told_of(evidence.diaries, i);
    const bool is_noted = evidence.noted >> i & 1;
    const int64_t most = std::max(out.of[i], in.of[i]), least = std::min(out.of[i], in.of[i]);
    if (most > 1) verdict.twice += static_cast<uint64_t>(most - 1);
    const bool is_missing = (told.is_paid || is_noted) && least == 0;
    const bool is_refused_in_vain = told.is_refused && !told.is_paid && most > 0;
    verdict.lost += is_missing || out.of[i] != in.of[i] || is_refused_in_vain;
  }
}

std::vector<LinearCall> history_of(const Evidence& evidence) {
  // Before and after all else.
  constexpr int64_t kBegin = 0, kEnd = LinearCall::kNever - 8;
  std::vector<LinearCall> calls;
  for (int account = 0; account < 2; ++account)
    calls.push_back({.called_ns = kBegin,
                     .returned_ns = kBegin,
                     .id = static_cast<uint32_t>(account),
                     .to = account,
                     .amount = kFunds});
  for (const Diary* diary : evidence.diaries)
    for (uint64_t i = 0; i < diary->count.load_relaxed(); ++i) {
      const Diary::Line& line = diary->lines[i];
      const uint64_t index = line.index_plus_1.load_relaxed();
      const uint64_t answer = line.answer_plus_1.load_relaxed();
      if (index == 0) continue;
      calls.push_back({.called_ns = static_cast<int64_t>(line.called_ns.load_relaxed()),
                       .id = static_cast<uint32_t>(index + 1),
                       .from = 0,
                       .to = 1,
                       .amount = evidence.transfers[index - 1].amount});
      if (answer == 0) continue;
      calls.back().returned_ns = static_cast<int64_t>(line.returned_ns.load_relaxed());
      calls.back().is_refused = answer - 1 == static_cast<uint64_t>(Answer::refused);
    }
  // One after the other, the first again: a call without an answer cannot be between two of them.
  int64_t at_ns = kEnd;
  for (const int account : {0, 1, 0}) {
    calls.push_back({.kind = LinearCall::Kind::read,
                     .called_ns = at_ns,
                     .returned_ns = at_ns,
                     .to = account,
                     .amount = account == 0 ? evidence.payer_funds : evidence.payee_funds});
    ++at_ns;
  }
  return calls;
}

// An id that is noted without an answer is what no history of answers shows.
bool only_notes_are_wrong(Evidence evidence) {
  evidence.noted = 0;
  Verdict verdict;
  count(evidence, verdict);
  return verdict.is_clean();
}

}  // namespace

Verdict judge(const Evidence& evidence) {
  Verdict verdict;
  count(evidence, verdict);
  const std::vector<LinearCall> history = history_of(evidence);
  if (history.size() > test_support::kLinearCallsMax) return verdict;  // the counts alone
  verdict.text = test_support::check_linearizable(history);
  if (!verdict.text.empty() && verdict.is_clean()) ++verdict.lost;
  verdict.is_disagreement =
      verdict.text.empty() && !verdict.is_clean() && !only_notes_are_wrong(evidence);
  return verdict;
}

}  // namespace casbook::torture
