// Directed schedules of marks: SEAL, OPEN, the gate, the tail and the epoch of a hint.
#include "support/scenario.h"

namespace casbook::test {

namespace {

using base::FaultPoint;
using commit::Outcome;

void run_alone(Stage& stage, const std::function<void(commit::Executor&)>& body) {
  stage.finish(stage.other([&] {
    commit::Executor executor(stage.world.store());
    body(executor);
  }));
}

void seal(Stage& stage, uint64_t epoch) {
  run_alone(stage, [=](commit::Executor& executor) { executor.seal(epoch); });
}
void open(Stage& stage, uint64_t epoch) {
  run_alone(stage, [=](commit::Executor& executor) { executor.open(epoch); });
}
void run_everybody(Stage& stage) {
  run_alone(stage, [&](commit::Executor& executor) {
    for (uint32_t i = 0; i < stage.world.options.shape.sessions; ++i) executor.run_session(i);
  });
}
uint64_t gate(const Stage& stage) { return stage.world.store().control().gate.load_relaxed(); }
Process& one_payer(Stage& stage, Outcome& outcome) {
  return stage.payer(0, [&](Payer& self) { outcome = self.transfer_set(0, 1, 1); });
}

// An executor stands between its scan and its claim; a SEAL takes the slot.
std::string seal_beats_claim() {
  Stage stage;
  Outcome outcome{};
  Process& owner = one_payer(stage, outcome);
  stage.to_cas(owner, &stage.world.store().slot(1));
  seal(stage, 1);
  stage.finish(owner);
  stage.expect(outcome == Outcome::sealed, "claimed behind the SEAL");
  return stage.end();
}

// Claimed, not noted, then sealed, and run by others: it is committed for ever.
std::string claim_beats_seal() {
  Stage stage;
  Outcome outcome{};
  Process& owner = one_payer(stage, outcome);
  stage.to_fault(owner, FaultPoint::commit_after_claim);
  seal(stage, 1);
  run_everybody(stage);
  stage.finish(owner);
  stage.expect(outcome == Outcome::committed, "claimed before the SEAL, and not committed");
  return stage.end();
}

// As before, and the next epoch is opened before anybody has noted the claim. A hint taken now lies
// below the claim and has the later epoch.
std::string claim_beats_open() {
  for (const bool sealed : {false, true}) {
    Stage stage;
    Outcome outcome{};
    Process& owner = one_payer(stage, outcome);
    stage.to_fault(owner, FaultPoint::commit_after_claim);
    if (sealed) seal(stage, 1);
    open(stage, 2);
    run_everybody(stage);
    stage.finish(owner);
    stage.expect(outcome == Outcome::committed, "claimed before the OPEN, and not committed");
    const std::string violation = stage.end();
    if (!violation.empty()) return violation;
  }
  return "";
}

// An instance of epoch 1 sleeps over SEAL(1), OPEN(2) and enough traffic that the tail has passed
// both. Whoever runs it then, with a fresh hint, meets neither.
std::string sleep_over_seal_and_open() {
  Stage stage;
  Outcome outcome{};
  Process& owner = one_payer(stage, outcome);
  stage.to_fault(owner, FaultPoint::commit_after_publish);
  seal(stage, 1);
  open(stage, 2);
  stage.pay(1, 2, 8);
  stage.expect(stage.world.store().control().tail.load_relaxed() > 2, "setup: the tail stands");
  run_everybody(stage);
  stage.finish(owner);
  return stage.end();
}

// The tail may not pass a SEAL before a later OPEN: with a hint behind it, of an epoch that is not
// over yet, an executor would claim there.
std::string seal_holds_the_tail() {
  Stage stage;
  Outcome outcome{};
  Process& owner = one_payer(stage, outcome);
  stage.to_fault(owner, FaultPoint::commit_after_publish);
  stage.pay(1, 2, 2);
  seal(stage, 1);
  // The next operator's scan moves the tail to behind the last slot, or up to the SEAL. It dies.
  Process& dead = stage.other([&] { commit::Executor(stage.world.store()).open(2); });
  stage.to_cas(dead, &stage.world.store().control().tail);
  stage.world.schedule.step(dead);
  stage.world.schedule.kill(dead);
  stage.expect(stage.world.store().control().tail.load_relaxed() >= 3, "setup: the tail stands");
  run_everybody(stage);
  stage.finish(owner);
  stage.expect(outcome == Outcome::sealed, "committed in a sealed epoch");
  stage.expect(stage.world.history.end() == 4, "a commit behind the SEAL");
  return stage.end();
}

// An operator repeats its marks when the tail has passed them.
std::string marks_are_repeated() {
  Stage stage;
  seal(stage, 1);
  open(stage, 2);
  stage.pay(1, 2, 8);
  stage.expect(stage.world.store().control().tail.load_relaxed() > 2, "setup: the tail stands");
  seal(stage, 1);
  open(stage, 2);
  stage.expect(gate(stage) == (2 << 1 | 1), "the gate of the open epoch is not what it was");
  return stage.end();
}

// An operator died between its mark and the gate: the next one, or a payer, moves the gate.
std::string operator_dies_before_the_gate() {
  Stage stage;
  seal(stage, 1);
  Process& dead = stage.other([&] { commit::Executor(stage.world.store()).open(2); });
  stage.to_fault(dead, FaultPoint::mark_after_claim);
  stage.world.schedule.kill(dead);
  stage.expect(gate(stage) == 1 << 1, "setup: the gate is open");
  open(stage, 2);
  stage.expect(gate(stage) == (2 << 1 | 1), "the gate is not opened");
  return stage.end();
}

// Any number of operators died there, each with a later epoch.
std::string many_operators_die_before_the_gate() {
  Stage stage;
  seal(stage, 1);
  for (uint64_t epoch = 2; epoch < 8; ++epoch) {
    Process& dead = stage.other([&, epoch] { commit::Executor(stage.world.store()).open(epoch); });
    stage.to_fault(dead, FaultPoint::mark_after_claim);
    stage.world.schedule.kill(dead);
  }
  open(stage, 8);
  stage.expect(gate(stage) == (8 << 1 | 1), "the gate is not opened");
  stage.pay(1, 2, 3);
  return stage.end();
}

// A payer of the shut epoch meets the SEAL of an operator that died before the gate.
std::string payer_shuts_the_gate() {
  Stage stage;
  Process& dead = stage.other([&] { commit::Executor(stage.world.store()).seal(1); });
  stage.to_fault(dead, FaultPoint::mark_after_claim);
  stage.world.schedule.kill(dead);
  Outcome outcome{};
  stage.finish(one_payer(stage, outcome));
  stage.expect(outcome == Outcome::sealed, "paid behind the SEAL");
  stage.expect(gate(stage) == 1 << 1, "the gate is still open");
  return stage.end();
}

// A follower's arena: shut without a SEAL. Only the applier commits, until it is opened.
std::string applier_and_promotion() {
  WorldOptions options = Stage::default_options();
  options.gate_open = false;
  Stage stage(options);
  Outcome outcome{};
  stage.finish(one_payer(stage, outcome));
  stage.expect(outcome == Outcome::sealed, "a session commits where only the applier may");
  Process& applier = stage.other([&] {
    commit::Committer committer(stage.world.store(), 1);
    committer.set_applier(true);
    for (int64_t number : {1000, 1001}) {
      commit::WriteSet set;
      set.describe(commit::Kind::payment, number);
      set.note(static_cast<uint64_t>(number));
      set.note(~static_cast<uint64_t>(number));
      set.add(2, 0, -1, 0, 100);
      set.add(3, 0, 1, 0, 100);
      stage.expect(committer.commit(set).outcome == Outcome::committed, "the applier is refused");
    }
  });
  stage.to_fault(applier, FaultPoint::commit_after_locks, 2);
  open(stage, 2);  // while its second commit is under way, of the epoch that ends
  stage.world.schedule.kill(applier);
  stage.pay(2, 2, 2);
  stage.finish(one_payer(stage, outcome));
  stage.expect(outcome == Outcome::committed, "the gate is open, and nobody can pay");
  return stage.end();
}

constexpr Scenario kGateScenarios[] = {
    {"seal_beats_claim", seal_beats_claim},
    {"claim_beats_seal", claim_beats_seal},
    {"claim_beats_open", claim_beats_open},
    {"sleep_over_seal_and_open", sleep_over_seal_and_open},
    {"seal_holds_the_tail", seal_holds_the_tail},
    {"marks_are_repeated", marks_are_repeated},
    {"operator_dies_before_the_gate", operator_dies_before_the_gate},
    {"many_operators_die_before_the_gate", many_operators_die_before_the_gate},
    {"payer_shuts_the_gate", payer_shuts_the_gate},
    {"applier_and_promotion", applier_and_promotion},
};

}  // namespace

std::span<const Scenario> gate_scenarios() { return kGateScenarios; }

}  // namespace casbook::test
