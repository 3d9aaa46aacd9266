// Directed schedules of retention and followers: who registers, leaves or sleeps while others
// write.
#include "support/scenario.h"

namespace casbook::test {

namespace {

using base::FaultPoint;
using log::Fetch;
using log::Follower;
using log::FullPolicy;

Result<Follower> open_follower(Stage& stage, const char* name,
                               FullPolicy policy = FullPolicy::refuse_payments,
                               Follower::Start start = Follower::Start::oldest) {
  stage.world.history.may_be_held = true;
  return Follower::open(stage.world.store(), arena::AttachmentRef::of(0, 1), name, policy, start);
}

// Pays until the ring is held, or for two laps.
void pay_until_held(Stage& stage, uint32_t session) {
  stage.finish(stage.payer(session, [&](Payer& self) {
    for (uint64_t i = 0; i < 2 * stage.world.options.shape.ring; ++i) {
      commit::WriteSet set;
      const int64_t amount = i % 2 ? 1 : -1;
      set.add(4, 0, amount, 0, 100);
      set.add(5, 0, -amount, 0, 100);
      if (self.try_commit(set).outcome == commit::Outcome::backpressure) return;
    }
  }));
}

void to_pause(Stage& stage, Process& process) {
  const bool is_there = stage.world.schedule.run_to(
      process, [](const Site& site) { return site.kind == Site::Kind::pause; });
  stage.expect(is_there, "setup: it does not pause");
}

// `count` records, which have to be there.
void follow_some(Stage& stage, Follower& follower, uint64_t count) {
  log::Record record;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t lsn = follower.next_lsn();
    stage.expect(follower.next(record) == Fetch::got, "a follower lost a record");
    stage.expect(same_record(record, stage.world.history.find_claim(lsn)->record),
                 "a follower got another record");
  }
}

void follow_to_end(Stage& stage, Follower& follower) {
  follow_some(stage, follower, stage.world.history.end() - follower.next_lsn());
}

// A follower registers, stopped at each of its accesses while others run the ring full.
std::string registers_while_writers_run() {
  for (const auto start : {Follower::Start::oldest, Follower::Start::end}) {
    for (int steps = 1;; ++steps) {
      Stage stage;
      stage.pay(1, 2, 40);
      Process& follower = stage.other([&, start] {
        auto opened = open_follower(stage, "journal", FullPolicy::refuse_payments, start);
        stage.world.schedule.idle();
        follow_to_end(stage, *opened);
      });
      for (int i = 0; i < steps && follower.can_run(); ++i) stage.world.schedule.step(follower);
      const bool was_open = follower.site.kind == Site::Kind::pause;
      pay_until_held(stage, 1);
      stage.finish(follower);
      const std::string violation = stage.end();
      if (!violation.empty()) return violation;
      if (was_open) break;
    }
  }
  return "";
}

// A session that has seen the ring free for ever meets the first follower.
std::string retention_is_never_cached() {
  WorldOptions options = Stage::default_options();
  options.shape.block_bytes = 8192;  // room for all copies: the ring itself has to be held
  Stage stage(options);
  Process& payer = stage.payer(1, [&](Payer& self) {
    for (int i = 0; i < 70; ++i) self.transfer_set(2 + i % 2, 3 - i % 2, 1);
    stage.world.schedule.idle();
    for (uint64_t i = 0; i < 2 * stage.world.options.shape.ring; ++i) {
      commit::WriteSet set;
      set.add(4, 0, i % 2 ? 1 : -1, 0, 100);
      set.add(5, 0, i % 2 ? -1 : 1, 0, 100);
      if (self.try_commit(set).outcome == commit::Outcome::backpressure) return;
    }
  });
  to_pause(stage, payer);
  Process& follower = stage.other([&] {
    auto opened = open_follower(stage, "journal");
    stage.world.schedule.idle();
    follow_to_end(stage, *opened);
  });
  to_pause(stage, follower);
  stage.finish(payer);
  stage.finish(follower);
  return stage.end();
}

// One follower stands before it raises keep, having looked at all positions; another registers at
// the floor, which is where keep stands already.
std::string registers_while_another_releases() {
  Stage stage;
  Process& first = stage.other([&] {
    auto opened = open_follower(stage, "journal");
    stage.world.schedule.idle();
    follow_to_end(stage, *opened);
    opened->release();
  });
  Process& second = stage.other([&] {
    auto opened = open_follower(stage, "auditor");
    stage.world.schedule.idle();
    follow_to_end(stage, *opened);
  });
  to_pause(stage, first);
  stage.pay(1, 2, 10);
  stage.to_cas(first, &stage.world.store().control().retention);
  to_pause(stage, second);
  stage.finish(first);
  pay_until_held(stage, 1);
  stage.finish(second);
  return stage.end();
}

// A follower has read ahead and stands in release(), `steps` accesses in. Meanwhile it is dropped
// and its slot taken by another, or its name is resumed by another. When it wakes it may not move
// the position of its successor.
std::string sleeper_has_a_successor(FullPolicy policy, const char* successor_name) {
  for (int steps = 1; steps <= 2; ++steps) {
    Stage stage;
    Process& sleeper = stage.other([&] {
      auto opened = open_follower(stage, "journal", policy);
      stage.world.schedule.idle();
      follow_to_end(stage, *opened);
      stage.world.schedule.idle();
      opened->release();
      log::Record record;
      stage.expect(opened->next(record) == Fetch::overrun, "it follows beside its successor");
    });
    Process& successor = stage.other([&] {
      auto opened = open_follower(stage, successor_name);
      stage.world.schedule.idle();
      follow_to_end(stage, *opened);
      opened->release();
    });
    to_pause(stage, sleeper);
    stage.pay(1, 2, 20);
    to_pause(stage, sleeper);
    for (int i = 0; i < steps; ++i) stage.world.schedule.step(sleeper);
    if (policy == FullPolicy::drop_follower) stage.pay(1, 2, 20);
    to_pause(stage, successor);
    stage.finish(sleeper);
    pay_until_held(stage, 1);
    stage.finish(successor);
    const std::string violation = stage.end();
    if (!violation.empty()) return violation;
  }
  return "";
}

std::string dropped_sleeper_wakes() {
  return sleeper_has_a_successor(FullPolicy::drop_follower, "auditor");
}
std::string superseded_sleeper_wakes() {
  return sleeper_has_a_successor(FullPolicy::refuse_payments, "journal");
}

// A process that resumes a name is stopped before the position is its own; a third one resumes it.
std::string resumed_twice() {
  Stage stage;
  Process& sleeper = stage.other([&] { (void)open_follower(stage, "journal"); });
  Process& last = stage.other([&] {
    auto opened = open_follower(stage, "journal");
    follow_some(stage, *opened, 5);
    opened->release();
    stage.world.schedule.idle();
    follow_to_end(stage, *opened);
    opened->release();
    stage.expect(commit::Retention(stage.world.store()).keep() == stage.world.history.end(),
                 "its position is not stored");
  });
  stage.finish(stage.other([&] { (void)open_follower(stage, "journal"); }));
  stage.pay(1, 2, 10);
  stage.to_fault(sleeper, FaultPoint::follower_after_claim);
  to_pause(stage, last);
  stage.finish(sleeper);
  pay_until_held(stage, 1);
  stage.finish(last);
  return stage.end();
}

// Two register one name at once, in two slots. The one in the higher slot dies before it sees the
// other: nobody must wait for it.
std::string registered_twice_at_once() {
  Stage stage;
  Process& lower = stage.other([&] {
    auto opened = open_follower(stage, "journal");
    stage.world.schedule.idle();
    follow_to_end(stage, *opened);
    opened->release();
    stage.expect(commit::Retention(stage.world.store()).keep() == stage.world.history.end(),
                 "a follower that is dead holds the ring under a name that lives");
  });
  Process& higher = stage.other([&] { (void)open_follower(stage, "journal"); });
  stage.to_fault(lower, FaultPoint::follower_after_claim);
  stage.to_fault(higher, FaultPoint::follower_after_keep);
  to_pause(stage, lower);
  stage.world.schedule.kill(higher);
  pay_until_held(stage, 1);
  stage.finish(lower);
  return stage.end();
}

// A process dies while it registers a name, and the ring goes on before another takes the name.
std::string dies_while_registering() {
  for (int steps = 1;; ++steps) {
    Stage stage;
    stage.pay(1, 2, 40);
    Process& victim = stage.other([&] { (void)open_follower(stage, "journal"); });
    for (int i = 0; i < steps && victim.can_run(); ++i) stage.world.schedule.step(victim);
    const bool was_done = victim.is_done();
    stage.world.schedule.kill(victim);
    pay_until_held(stage, 1);
    Process& heir = stage.other([&] {
      auto opened = open_follower(stage, "journal");
      follow_to_end(stage, *opened);
      opened->release();
    });
    stage.finish(heir);
    pay_until_held(stage, 1);
    const std::string violation = stage.end();
    if (!violation.empty()) return violation + ", died at access " + std::to_string(steps);
    if (was_done) return "";
  }
}

// A follower of the dropping kind has stored its position and is stopped before it counts: the ring
// seems to be held by one that is not behind.
std::string laggard_stops_in_release() {
  Stage stage;
  Process& laggard = stage.other([&] {
    auto opened = open_follower(stage, "laggard", FullPolicy::drop_follower);
    stage.world.schedule.idle();
    follow_to_end(stage, *opened);
    opened->release();
  });
  to_pause(stage, laggard);
  stage.pay(1, 2, 20);
  stage.to_cas(laggard, &stage.world.store().control().retention);
  stage.world.history.may_be_held = false;
  pay_until_held(stage, 1);
  stage.expect(stage.world.history.end() > 2 * stage.world.options.shape.ring, "payers stopped");
  stage.finish(laggard);
  return stage.end();
}

// A follower of the dropping kind that stands still costs itself, and nobody's payment.
std::string laggard_is_dropped() {
  Stage stage;
  Process& laggard = stage.other([&] {
    auto opened = open_follower(stage, "laggard", FullPolicy::drop_follower);
    stage.world.schedule.idle();
    log::Record record;
    stage.expect(opened->next(record) == Fetch::overrun, "it was not dropped");
  });
  to_pause(stage, laggard);
  stage.world.history.may_be_held = false;  // any backpressure from here on is wrong
  pay_until_held(stage, 1);
  stage.expect(stage.world.history.end() > 2 * stage.world.options.shape.ring, "payers stopped");
  stage.finish(laggard);
  return stage.end();
}

// A follower of the refusing kind holds every record, and lets go of them when it has them.
std::string journal_holds_and_lets_go() {
  Stage stage;
  Process& journal = stage.other([&] {
    auto opened = open_follower(stage, "journal");
    for (int i = 0; i < 3; ++i) {
      stage.world.schedule.idle();
      follow_to_end(stage, *opened);
      opened->release();
    }
    stage.world.schedule.idle();
    opened->remove();
  });
  to_pause(stage, journal);
  for (int i = 0; i < 3; ++i) {
    const uint64_t before = stage.world.history.end();
    pay_until_held(stage, 1);
    stage.expect(stage.world.history.end() > before + 8, "payers do not go on");
    to_pause(stage, journal);
  }
  stage.finish(journal);
  stage.world.history.may_be_held = false;
  pay_until_held(stage, 1);
  return stage.end();
}

// Marks do not ask whether there is room: the margin of the ring has to hold them, behind as many
// commits as can be under way when the ring is full.
std::string marks_beside_a_held_ring() {
  Stage stage;
  Process& journal = stage.other([&] {
    auto opened = open_follower(stage, "journal");
    stage.world.schedule.idle();
    follow_to_end(stage, *opened);
  });
  to_pause(stage, journal);
  Process* under_way[3];
  for (uint32_t session : {0, 2, 3}) {
    Process& process = stage.payer(session, [](Payer& self) { self.transfer_add(0, 1, 1); });
    stage.to_fault(process, FaultPoint::commit_after_publish);
    under_way[session ? session - 1 : 0] = &process;
  }
  pay_until_held(stage, 1);
  for (Process* process : under_way) stage.finish(*process);
  for (uint64_t epoch = 1; epoch <= 4; ++epoch) {
    stage.finish(stage.other([&, epoch] {
      commit::Executor executor(stage.world.store());
      executor.seal(epoch);
      executor.open(epoch + 1);
    }));
  }
  stage.finish(journal);
  return stage.end();
}

constexpr Scenario kFollowerScenarios[] = {
    {"registers_while_writers_run", registers_while_writers_run},
    {"retention_is_never_cached", retention_is_never_cached},
    {"registers_while_another_releases", registers_while_another_releases},
    {"dropped_sleeper_wakes", dropped_sleeper_wakes},
    {"superseded_sleeper_wakes", superseded_sleeper_wakes},
    {"resumed_twice", resumed_twice},
    {"registered_twice_at_once", registered_twice_at_once},
    {"dies_while_registering", dies_while_registering},
    {"laggard_stops_in_release", laggard_stops_in_release},
    {"laggard_is_dropped", laggard_is_dropped},
    {"journal_holds_and_lets_go", journal_holds_and_lets_go},
    {"marks_beside_a_held_ring", marks_beside_a_held_ring},
};

}  // namespace

std::span<const Scenario> follower_scenarios() { return kFollowerScenarios; }

}  // namespace casbook::test
