// The hunt for seeded bugs of replication: each rule is broken on purpose, and the same simulator
// that finds nothing in hundreds of seeds has to find something in a few.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "support/hunt.h"
#include "support/sim_cluster.h"

namespace casbook::test {
namespace {

using base::Mutant;

struct Seeded {
  Mutant mutant;
  SimBug bug = SimBug::none;
  const char* name = nullptr;
  bool is_calm = false;      // found sooner where less goes wrong
  bool must_change = false;  // needs changes of the members
};

std::string name_of(const Seeded& seeded) {
  return seeded.name ? seeded.name : base::mutant_name(seeded.mutant);
}
void PrintTo(const Seeded& seeded, std::ostream* out) { *out << name_of(seeded); }

constexpr uint64_t kSeedsMax = 60;
constexpr unsigned kSecondsMax = 200;

uint64_t seeds_max() {
  const char* const text = std::getenv("CASBOOK_SIM_SEEDS");
  return text ? std::strtoull(text, nullptr, 10) : kSeedsMax;
}

std::string hunt(const Seeded& seeded) {
  return hunt_in_child(kSecondsMax, [&seeded]() -> std::string {
    base::probes.mutant = seeded.mutant;
    const uint64_t seeds = seeds_max();
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
      const SimReport report = simulate({.seed = seed,
                                         .is_rough = !seeded.is_calm,
                                         .must_change = seeded.must_change,
                                         .bug = seeded.bug});
      if (!report.violation.empty())
        return "seed " + std::to_string(seed) + ": " + report.violation;
    }
    return "";
  });
}

class Mutants : public testing::TestWithParam<Seeded> {};

TEST_P(Mutants, IsFound) {
  const std::string found = hunt(GetParam());
  std::printf("%s\n", found.c_str());
  EXPECT_NE(found, "");
  EXPECT_NE(found, "it never ends");
}

// Not here, and why:
//
//   consensus_change_mid_batch   D1: scenes.cc; so are quorum_counts_standby,
//   consensus_standby_votes, consensus_steps_back_singly (D4) and round_unproven
//   consensus_changes_overlap, consensus_change_early, consensus_change_forgotten: rules of changes
//                                that meet only in a row of failures; unit_replicate_changes, where
//                                consensus alone runs a thousand times as often
//   consensus_commit_falls (D2), transport_unordered (D3): late_messages.cc. A leader goes back behind
//                                what a follower knows to be committed where its log begins behind the
//                                last answer of that one; and libraft believes a late rejection only
//                                of a follower that was silent for an election timeout, and of exactly
//                                the entry that it has matched: not in 30 changes of leader by chance
//   copy_installed_unruled       copies.cc: the old leader has to stand still in the middle of a copy
//                                until another leads, and to go on unseen by that one
constexpr Seeded kSeeded[] = {
    {.mutant = Mutant::transport_drops_version, .is_calm = true},  // D7
    {.mutant = Mutant::seal_skipped},
    {.mutant = Mutant::journal_acknowledges_unsynced},
    {.mutant = Mutant::arena_behind_base_kept},
    {.mutant = Mutant::configuration_not_kept, .must_change = true},
    {.mutant = Mutant::transport_first_key_only, .is_calm = true},
    {.mutant = Mutant::transport_numbers_anew, .is_calm = true},
    {.mutant = Mutant::none, .bug = SimBug::undone_in_place, .name = "undone_in_place"},
    {.mutant = Mutant::none,
     .bug = SimBug::positions_without_term,
     .name = "positions_without_term"},
    {.mutant = Mutant::none, .bug = SimBug::tokens_without_term, .name = "tokens_without_term"},
};

INSTANTIATE_TEST_SUITE_P(Of, Mutants, testing::ValuesIn(kSeeded),
                         [](const auto& given) { return name_of(given.param); });

}  // namespace
}  // namespace casbook::test
