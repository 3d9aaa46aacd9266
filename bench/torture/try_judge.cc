#include "torture/try_judge.h"

#include "torture/judge.h"

namespace casbook::torture {
namespace {

using peers::Answer;

struct Case {
  const char* name;
  bool spends;
  std::vector<std::pair<uint32_t, Answer>> answers;
  int64_t from_payer, to_payee;
  uint64_t noted;
  uint64_t twice, lost, overdrawn;
};

// Payments of index 0 and 1 move 1 and 4; where they spend, more than there is together.
const std::vector<Case>& all_cases() {
  using enum Answer;
  constexpr int64_t kBoth = amount_of(kLarger) + amount_of(kLarge);
  static const std::vector<Case> all = {
      {"all well", false, {{0, paid}, {0, replayed}, {1, paid}}, 5, 5, 3, 0, 0, 0},
      {"paid twice", false, {{0, paid}, {0, paid}}, 2, 2, 1, 1, 0, 0},
      {"answered, not there", false, {{0, paid}}, 0, 0, 1, 0, 1, 0},
      {"noted, not there", false, {}, 0, 0, 2, 0, 1, 0},
      {"half of it", false, {{0, paid}}, 1, 0, 1, 0, 1, 0},
      {"half of it, and no answer", false, {}, 1, 0, 0, 0, 1, 0},
      {"out twice, in once", false, {{0, paid}}, 2, 1, 1, 1, 1, 0},
      {"refused, and there", false, {{1, refused}}, 4, 4, 0, 0, 1, 0},
      {"refused, with money there", false, {{1, refused}}, 0, 0, 0, 0, 1, 0},
      {"spent twice", true, {{0, paid}, {1, paid}}, kBoth, kBoth, 3, 0, 0, 1},
      {"spent once",
       true,
       {{0, paid}, {1, refused}},
       amount_of(kLarger),
       amount_of(kLarger),
       1,
       0,
       0,
       0},
  };
  return all;
}

Verdict verdict_of(const Case& each) {
  Diary diary{};
  int64_t now_ns = 1;
  for (const auto& [index, answer] : each.answers)
    if (Diary::Line* line = diary.begin(index, now_ns++)) Diary::end(*line, answer, now_ns++);
  return judge({.transfers = transfers_of(0, each.spends),
                .diaries = {&diary},
                .payer_funds = kFunds - each.from_payer,
                .payee_funds = kFunds + each.to_payee,
                .noted = each.noted});
}

}  // namespace

std::string try_judge() {
  for (const Case& each : all_cases()) {
    const Verdict verdict = verdict_of(each);
    if (verdict.twice != each.twice || verdict.lost != each.lost ||
        verdict.overdrawn != each.overdrawn || verdict.is_disagreement)
      return std::string("the judge is wrong about: ") + each.name;
  }
  return {};
}

}  // namespace casbook::torture
