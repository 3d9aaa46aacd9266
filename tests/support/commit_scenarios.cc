// Directed schedules of the core: locking, judging, claiming, applying, reuse.
#include "support/scenario.h"

namespace casbook::test {

namespace {

using base::FaultPoint;
using commit::Outcome;

// Two reads of one cell, a commit between them, and a write set of both.
std::string mixed_versions() {
  Stage stage;
  Process& mixer = stage.payer(0, [](Payer& self) { self.hold_set(0, 2); });
  // Its second read of the cell begins: the commit falls between them.
  stage.to_access(mixer, &stage.cell(0).state, 3);
  stage.finish(stage.payer(1, [](Payer& self) { self.hold_add(0, 1); }));
  stage.finish(mixer);
  return stage.end();
}

// A helper stands before its lock of a cell while the instance is aborted and its descriptor used
// again. The lock that it puts then is a leftover of an instance that nobody can look up.
std::string late_lock_of_recycled_instance() {
  Stage stage;
  Process& owner = stage.payer(0, [](Payer& self) { self.transfer_set(0, 1, 1); });
  stage.to_fault(owner, FaultPoint::commit_after_publish);
  Process& helper = stage.helper_of(0);
  stage.to_cas(helper, &stage.cell(0).state);
  stage.pay(1, 1, 1);  // the owner's version of cell 1 is old now
  stage.to_fault(owner, FaultPoint::commit_after_abort);
  // A retry would write cell 0, and the helper's lock expect a version that is gone.
  stage.world.schedule.kill(owner);
  Process& heir = stage.payer(0, [](Payer& self) { self.transfer_set(2, 3, 1); });
  stage.finish(heir);
  stage.finish(helper);
  stage.expect(commit::is_reference(stage.cell(0).state.load_relaxed()),
               "setup: the helper left no lock");
  Process& visitor = stage.payer(2, [](Payer& self) { self.transfer_add(0, 4, 1); });
  stage.finish(visitor);
  return stage.end();
}

// As above, on a cell that the committed instance only guarded, seen by an observer.
std::string late_lock_of_guarded_cell() {
  Stage stage;
  Process& owner =
      stage.payer(0, [](Payer& self) { self.transfer_set(1, 2, 1, Payer::Extra::guard, 0); });
  stage.to_fault(owner, FaultPoint::commit_after_publish);
  Process& helper = stage.helper_of(0);
  stage.to_cas(helper, &stage.cell(0).state);
  stage.finish(owner);
  stage.world.schedule.step(helper);
  stage.world.schedule.kill(helper);  // else it would see the decision and take the lock back
  stage.expect(commit::is_reference(stage.cell(0).state.load_relaxed()),
               "setup: the helper left no lock");
  stage.finish(stage.other([&] { peek(stage.world, 0); }));
  stage.pay(3, 4, 1);
  Process& visitor = stage.payer(2, [](Payer& self) { self.transfer_set(0, 3, 1); });
  stage.finish(visitor);
  return stage.end();
}

// A helper stands before its write of a word; the instance is applied by its owner and the word
// written again by the next commit.
std::string late_write_of_a_word() {
  Stage stage;
  Process& owner = stage.payer(0, [](Payer& self) { self.transfer_set(0, 1, 1); });
  stage.to_fault(owner, FaultPoint::commit_after_decide);
  Process& helper = stage.helper_of(0);
  // Its CAS, or the store that a mutant makes of it: the access after it has read the value.
  stage.to_access(helper, &stage.cell(0).word(0), 2);
  stage.finish(owner);
  stage.pay(1, 0, 1);
  stage.finish(helper);
  return stage.end();
}

// A helper comes to its claim with an old hint while the instance is claimed by its owner, applied,
// and passed by the tail. The status has to stop it from a second claim behind the fresh hint.
std::string late_claim() {
  Stage stage;
  Process& owner = stage.payer(0, [](Payer& self) { self.transfer_set(0, 1, 1); });
  stage.to_fault(owner, FaultPoint::commit_after_locks);
  Process& helper = stage.helper_of(0);
  stage.to_fault(helper, FaultPoint::commit_after_locks);
  stage.pay(1, 2, 4);
  stage.finish(owner);
  stage.pay(1, 2, 5);
  stage.finish(helper);
  return stage.end();
}

// The owner stands behind its claim, undecided, while the tail would pass it. Whoever then takes
// the tail for a hint must find the decision.
std::string tail_passes_claim() {
  Stage stage;
  Process& owner = stage.payer(0, [](Payer& self) { self.transfer_set(0, 1, 1); });
  stage.to_fault(owner, FaultPoint::commit_after_claim);
  stage.pay(1, 2, 8);
  stage.expect(stage.world.store().control().tail.load_relaxed() > 1, "setup: the tail stands");
  stage.finish(stage.helper_of(0));
  stage.finish(owner);
  return stage.end();
}

// Two payers that lock the same cells; each helps the other.
std::string opposite_payers() {
  Stage stage;
  Process& one = stage.payer(0, [](Payer& self) { self.transfer_set(0, 1, 1); });
  stage.to_fault(one, FaultPoint::commit_after_first_lock);
  Process& two = stage.payer(1, [](Payer& self) { self.transfer_add(1, 0, 1); });
  stage.finish(two);
  stage.finish(one);
  return stage.end();
}

// A helper of the first use of a descriptor stands before its agreement on an old value; the second
// use has agreed on its own.
std::string late_agreement() {
  Stage stage;
  Process& owner = stage.payer(0, [](Payer& self) {
    self.transfer_add(0, 1, 3);
    self.transfer_add(2, 3, 1);
  });
  stage.to_fault(owner, FaultPoint::commit_after_locks);
  Process& helper = stage.helper_of(0);
  stage.to_access(helper, &stage.descriptor(0).agreed[0]);
  stage.pay(1, 2, 1);  // so that the second instance finds another value than 10
  stage.to_fault(owner, FaultPoint::commit_after_agree, 2);
  stage.finish(helper);
  stage.finish(owner);
  return stage.end();
}

// A refused any-version commit gives its cells back at the version that they had.
std::string refused_leaves_versions() {
  Stage stage;
  stage.pay(1, 0, 2);
  Process& owner = stage.payer(0, [&](Payer& self) {
    commit::WriteSet set;
    set.add(0, 0, -50, 0, INT64_MAX);
    set.add(1, 0, 50, 0, INT64_MAX);
    stage.expect(self.commit(set).outcome == Outcome::refused, "not refused");
  });
  stage.finish(owner);
  return stage.end();
}

// An owner stands before its lock of a cell that it only checks; the cell moves on and is locked by
// a helper. The owner has not locked it, so what it saw is not what it has to give back.
std::string checked_cell_keeps_its_version() {
  Stage stage;
  Process& owner = stage.payer(0, [](Payer& self) {
    commit::WriteSet set;
    set.check(0, 1, 0);
    set.add(2, 0, -1, 0, 100);
    set.add(3, 0, 1, 0, 100);
    self.commit(set);
  });
  stage.pay(1, 0, 1);
  stage.to_cas(owner, &stage.cell(0).state);
  stage.pay(1, 0, 1);
  const uint64_t version = stage.cell(0).state.load_relaxed();
  Process& helper = stage.helper_of(0);
  stage.to_fault(helper, FaultPoint::commit_after_locks);
  stage.finish(owner);
  stage.expect(stage.cell(0).state.load_relaxed() == version, "the checked cell's version moved");
  stage.finish(helper);
  return stage.end();
}

// An observer looks through a lock while the writer stands between two words of the cell.
std::string peek_between_two_words() {
  for (int steps = 1; steps < 40; ++steps) {
    Stage stage;
    Process& owner = stage.payer(0, [](Payer& self) { self.hold_set(0, 3); });
    stage.to_fault(owner, FaultPoint::commit_after_locks);
    Process& reader = stage.other([&] { peek(stage.world, 0); });
    for (int i = 0; i < steps && reader.can_run(); ++i) stage.world.schedule.step(reader);
    stage.to_fault(owner, FaultPoint::commit_after_first_word);
    if (reader.can_run()) stage.finish(reader);
    stage.finish(owner);
    const std::string violation = stage.end();
    if (!violation.empty()) return violation;
  }
  return "";
}

// A process left commit() half way and lives on, as by a longjmp out of a signal handler: its next
// commit finishes what it had published.
std::string own_undecided_is_finished() {
  Stage stage;
  Process& owner = stage.payer(0, [](Payer& self) { self.transfer_set(0, 1, 1); });
  stage.to_fault(owner, FaultPoint::commit_after_first_lock);
  stage.world.schedule.kill(owner);
  Process& same = stage.world.schedule.spawn(0, [&] {
    log::LogWriter writer(stage.world.store(), 0);
    stage.world.store().session(0).next.initialise(0);
    commit::WriteSet set;
    set.describe(commit::Kind::payment, 1000);
    set.note(1000);
    set.note(~uint64_t{1000});
    set.add(2, 0, -1, 0, 100);
    set.add(3, 0, 1, 0, 100);
    stage.expect(writer.commit(set).outcome == Outcome::committed, "not committed");
  });
  stage.finish(same);
  stage.expect(stage.world.history.end() == 3, "the one left half way is not in the log");
  return stage.end();
}

// The descriptor of a session that died with its commit undecided is run by whoever takes it over.
std::string dead_session_is_run() {
  Stage stage;
  Process& owner = stage.payer(0, [](Payer& self) { self.transfer_set(0, 1, 1); });
  stage.to_fault(owner, FaultPoint::commit_after_locks);
  stage.world.schedule.kill(owner);
  stage.finish(stage.world.schedule.spawn(
      0, [&] { commit::Executor(stage.world.store()).run_session(0); }));
  stage.expect(stage.world.history.end() == 2, "the dead session's commit is not in the log");
  stage.expect(stage.cell(0).state.load_relaxed() == Position::of(1, 1).value,
               "the dead session's cell is not released");
  return stage.end();
}

// An executor sleeps for a lap of the ring between its look at the first empty slot and the next
// access. The slot before it is lapped by then, and that is no defect.
std::string claim_sleeps_for_a_lap() {
  WorldOptions options = Stage::default_options();
  options.tail_lag_max = 0;  // the hint is the first empty slot
  Stage stage(options);
  stage.pay(1, 2, 2);
  Process& owner = stage.payer(0, [](Payer& self) { self.transfer_set(0, 1, 1); });
  const auto& slot = stage.world.store().slot(3);
  const bool is_there = stage.world.schedule.run_to(
      owner, [&](const Site& site) { return site.address == &slot.lo; }, 2);
  stage.expect(is_there, "setup: no second look at the slot");
  stage.world.schedule.step(owner);
  stage.pay(1, 2, 2 * stage.world.options.shape.ring);
  stage.finish(owner);
  return stage.end();
}

// A reader of the end of the log sleeps for a lap behind its look at the tail.
std::string end_sleeps_for_a_lap() {
  Stage stage;
  stage.pay(1, 2, 2);
  uint64_t found = 0;
  Process& reader = stage.other([&] { found = log::log_end(stage.world.store()); });
  for (int i = 0; i < 2; ++i) stage.world.schedule.step(reader);
  stage.pay(1, 2, stage.world.options.shape.ring + 8);
  stage.finish(reader);
  stage.expect(found == stage.world.history.end() || weakness.is_on, "the end of the log is old");
  return stage.end();
}

constexpr Scenario kCommitScenarios[] = {
    {"mixed_versions", mixed_versions},
    {"late_lock_of_recycled_instance", late_lock_of_recycled_instance},
    {"late_lock_of_guarded_cell", late_lock_of_guarded_cell},
    {"late_write_of_a_word", late_write_of_a_word},
    {"late_claim", late_claim},
    {"tail_passes_claim", tail_passes_claim},
    {"opposite_payers", opposite_payers},
    {"late_agreement", late_agreement},
    {"refused_leaves_versions", refused_leaves_versions},
    {"checked_cell_keeps_its_version", checked_cell_keeps_its_version},
    {"peek_between_two_words", peek_between_two_words},
    {"own_undecided_is_finished", own_undecided_is_finished},
    {"dead_session_is_run", dead_session_is_run},
    {"claim_sleeps_for_a_lap", claim_sleeps_for_a_lap},
    {"end_sleeps_for_a_lap", end_sleeps_for_a_lap},
};

}  // namespace

std::span<const Scenario> commit_scenarios() { return kCommitScenarios; }

}  // namespace casbook::test
