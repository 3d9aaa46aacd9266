// The guards of consensus that have mutants: a scenario answers whether the rule was kept, and has
// to find it broken with its mutant.
#include <gtest/gtest.h>

#include "base/probe.h"
#include "support/lone_node.h"

namespace casbook::replicate {
namespace {

using base::Mutant;
using journal::EntryType;
using test::all_of, test::change, test::ConsensusCluster, test::LoneNode, test::moved,
    test::records;

class WithMutant {
 public:
  explicit WithMutant(Mutant mutant) { base::probes.mutant = mutant; }
  ~WithMutant() { base::probes.mutant = Mutant::none; }
};

// D1: a change in the middle of a batch is committed at its own index, so another can follow.
bool records_changes_in_place(Mutant mutant) {
  WithMutant with(mutant);
  LoneNode node;
  AppendEntries m{.term = 2, .prev_index = 1, .prev_term = 1, .commit = 1, .count = 4};
  m.entries = {records(2, 2), records(3, 2), change(4, 2, moved(7500)), records(5, 2)};
  const Update taken = node.receive(1, m);
  EXPECT_EQ(taken.entries.size(), 4u);
  EXPECT_EQ(node.consensus->configuration(), moved(7500));
  node.persisted(5, 2);
  node.append(2, 5, 2, {}, 5);
  EXPECT_EQ(node.consensus->commit_index(), 5u);
  node.lead({3});
  node.match(3, node.consensus->last_index());
  Configuration four = moved(7500);
  four.servers.push_back({.id = 4, .address = "10.0.0.4:7400", .role = ServerRole::standby});
  const uint64_t next = node.consensus->last_index() + 1;
  return bool(node.consensus->submit(change(next, node.consensus->term(), four), node.now));
}

// D2
bool keeps_commit_index(Mutant mutant) {
  WithMutant with(mutant);
  LoneNode node;
  node.append(2, 1, 1, {2, 2, 2, 2}, 5);
  EXPECT_EQ(node.consensus->commit_index(), 5u);
  node.append(2, 1, 1, {2}, 9);  // sent again for its first entry, by a leader that knows of more
  node.append(2, 1, 1, {}, 9);
  return node.consensus->commit_index() == 5;
}

// D4: 500 entries of an ex-leader, none of which the new one has.
bool steps_back_in_one(Mutant mutant) {
  WithMutant with(mutant);
  LoneNode node;
  node.append(2, 1, 1, std::vector<uint64_t>(500, 2));
  node.persisted(501, 2);
  const auto results = all_of<AppendResult>(node.append(3, 400, 3, {3}));
  EXPECT_EQ(results.size(), 1u);
  EXPECT_EQ(results.at(0).rejected, 400u);
  return results.at(0).last_index == 1;
}

// D7: two candidates, each asked a third for a vote it did not get yet, and was answered late by
// the other that it would have its vote.
bool elects_one_of_two(Mutant mutant) {
  WithMutant with(mutant);
  std::map<uint64_t, LoneNode> nodes;
  for (uint64_t id = 1; id <= 3; ++id) nodes.emplace(id, LoneNode(id));
  std::map<uint64_t, Update> asked;
  for (const uint64_t id : {1u, 3u}) asked[id] = nodes.at(id).time_out();
  std::map<std::pair<uint64_t, uint64_t>, Message> answers;  // from, to
  for (auto& [id, update] : asked)
    for (const Outgoing& question : update.messages) {
      const Update answer = nodes.at(question.to).receive(id, question.message);
      answers[{question.to, id}] = answer.messages.at(0).message;
    }
  for (const uint64_t id : {1u, 3u}) nodes.at(id).receive(2, answers.at({2, id}));
  for (const uint64_t id : {1u, 3u}) nodes.at(id).receive(4 - id, answers.at({4 - id, id}));
  EXPECT_EQ(nodes.at(1).consensus->term(), 2u);
  EXPECT_EQ(nodes.at(3).consensus->term(), 2u);
  return nodes.at(1).consensus->role() != Role::leader &&
         nodes.at(3).consensus->role() != Role::leader;
}

// D13: entries 3 and 4 of term 2 were being written when a leader of term 3 replaced them.
bool counts_only_what_it_has(Mutant mutant) {
  WithMutant with(mutant);
  LoneNode node;
  node.append(2, 1, 1, {2, 2, 2});
  const Update replaced = node.append(3, 2, 2, {3, 3});
  EXPECT_EQ(replaced.entries.at(0)->index, 3u);
  const auto early = all_of<AppendResult>(node.persisted(4, 2));
  const bool is_kept = early.empty() && node.consensus->stored_index() < 3;
  if (mutant == Mutant::none) {
    EXPECT_EQ(all_of<AppendResult>(node.persisted(4, 3)).at(0).last_index, 4u);
    EXPECT_EQ(node.consensus->stored_index(), 4u);
  }
  return is_kept;
}

// D15
bool campaigns_without_wasting_terms(Mutant mutant) {
  WithMutant with(mutant);
  LoneNode node;
  node.time_out();
  node.receive(1, node.vote(true));  // then it hears nothing any more
  EXPECT_EQ(node.consensus->term(), 2u);
  for (int i = 0; i < 20; ++i) node.time_out();
  return node.consensus->term() == 2;
}

// D10: with nothing uncommitted, too.
bool begins_with_a_barrier(Mutant mutant) {
  WithMutant with(mutant);
  LoneNode node;
  const Update won = node.lead({1});
  return won.entries.size() == 1 && won.entries[0]->type == EntryType::barrier &&
         won.entries[0]->index == 2 && won.entries[0]->term == 2;
}

struct Rule {
  Mutant mutant;
  bool (*is_kept)(Mutant);
};
class ConsensusRules : public testing::TestWithParam<Rule> {};
TEST_P(ConsensusRules, HoldAndAreBrokenByTheirMutant) {
  EXPECT_TRUE(GetParam().is_kept(Mutant::none));
  EXPECT_FALSE(GetParam().is_kept(GetParam().mutant));
}
INSTANTIATE_TEST_SUITE_P(
    All, ConsensusRules,
    testing::Values(Rule{Mutant::consensus_change_mid_batch, records_changes_in_place},
                    Rule{Mutant::consensus_commit_falls, keeps_commit_index},
                    Rule{Mutant::consensus_steps_back_singly, steps_back_in_one},
                    Rule{Mutant::consensus_version_dropped, elects_one_of_two},
                    Rule{Mutant::consensus_counts_replaced, counts_only_what_it_has},
                    Rule{Mutant::consensus_reelects_boldly, campaigns_without_wasting_terms},
                    Rule{Mutant::consensus_no_barrier, begins_with_a_barrier}),
    [](const auto& given) { return std::string(mutant_name(given.param.mutant)); });

}  // namespace
}  // namespace casbook::replicate
