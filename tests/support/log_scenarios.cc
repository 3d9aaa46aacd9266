// Directed schedules of the copies of records: blocks, the record index, and who reads them.
#include "support/scenario.h"

namespace casbook::test {

namespace {

using base::FaultPoint;

constexpr FaultPoint kCommitPlaces[] = {
    FaultPoint::commit_after_init,       FaultPoint::commit_after_publish,
    FaultPoint::commit_after_first_lock, FaultPoint::commit_after_locks,
    FaultPoint::commit_after_claim,      FaultPoint::commit_after_decide,
    FaultPoint::commit_after_first_word, FaultPoint::commit_after_first_release,
    FaultPoint::commit_after_release,    FaultPoint::tail_before_advance};
constexpr FaultPoint kCopyPlaces[] = {
    FaultPoint::record_after_reserve, FaultPoint::record_before_publish,
    FaultPoint::record_after_publish, FaultPoint::block_after_retire,
    FaultPoint::block_after_intent,   FaultPoint::block_after_own,
    FaultPoint::floor_before_raise};

void pay_much(Payer& self, uint32_t account) {
  for (uint32_t i = 0; i < 70; ++i) self.transfer_set(account + i % 2, account + 1 - i % 2, 1);
}

// SIGKILL of a payer at each access of a dozen commits, behind more than a lap of the ring, so that
// every slot, block and descriptor is in its second use; another takes the session over.
std::string killed_at_every_access() {
  const uint64_t lap = 70;
  for (uint64_t steps = 0;; ++steps) {
    WorldOptions options = Stage::default_options();
    options.shape.sessions = 2;
    options.shape.blocks = 4;
    options.descriptors = 2;
    Stage stage(options);
    stage.pay(0, 0, lap);
    Process& victim = stage.payer(0, [](Payer& self) {
      for (uint32_t i = 0; i < 12; ++i) self.transfer_add(i % 2, 1 - i % 2, 1);
    });
    for (uint64_t i = 0; i < steps && victim.can_run(); ++i) stage.world.schedule.step(victim);
    const bool was_done = victim.is_done();
    if (!was_done) stage.world.schedule.kill(victim);
    stage.pay(0, 0, 12);
    const std::string violation = stage.end();
    if (!violation.empty()) return violation + ", killed at access " + std::to_string(steps);
    if (was_done) return "";
  }
}

// A payer stops anywhere in a commit or in the copy behind it while others go round the ring twice;
// then it wakes.
std::string sleeps_for_laps() {
  const auto sleep_at = [](FaultPoint place) {
    Stage stage;
    Process& sleeper = stage.payer(0, [](Payer& self) { pay_much(self, 0); });
    stage.to_fault(sleeper, place);
    stage.pay(1, 2, 2 * stage.world.options.shape.ring);
    stage.finish(sleeper);
    stage.pay(2, 0, 3);
    const std::string violation = stage.end();
    return violation.empty() ? violation : violation + " at " + base::fault_point_name(place);
  };
  for (const FaultPoint place : kCommitPlaces)
    if (const std::string violation = sleep_at(place); !violation.empty()) return violation;
  for (const FaultPoint place : kCopyPlaces)
    if (const std::string violation = sleep_at(place); !violation.empty()) return violation;
  return "";
}

// Payers and a reader stopped at every place at once: one more payer is neither refused nor slowed.
std::string nobody_waits() {
  for (const FaultPoint first : kCommitPlaces) {
    for (const FaultPoint second : kCopyPlaces) {
      Stage stage;
      Process& one = stage.payer(0, [](Payer& self) { pay_much(self, 0); });
      Process& two = stage.payer(1, [](Payer& self) { pay_much(self, 2); });
      Process& reader = stage.other([&] { read_along(stage.world); });
      stage.to_fault(two, second);
      stage.to_fault(one, first);
      for (int i = 0; i < 25; ++i) stage.world.schedule.step(reader);
      Process& payer = stage.payer(2, [](Payer& self) {
        for (uint32_t i = 0; i < 100; ++i) self.transfer_add(i % 4, (i + 1) % 4, 1);
      });
      const uint64_t began = stage.world.now();
      stage.finish(payer);
      stage.expect(stage.world.now() - began < 100 * 400, "a payer was slowed");
      stage.world.schedule.kill(reader);
      stage.world.schedule.kill(one);
      stage.world.schedule.kill(two);
      const std::string violation = stage.end();
      if (!violation.empty()) return violation;
    }
  }
  return "";
}

// Killed again and again where a block changes hands: none is lost, so nobody runs out of room.
std::string no_block_is_lost() {
  for (const FaultPoint place : {FaultPoint::block_after_retire, FaultPoint::block_after_intent,
                                 FaultPoint::block_after_own}) {
    WorldOptions options = Stage::default_options();
    options.shape.blocks = options.shape.sessions;
    Stage stage(options);
    for (int i = 0; i < 10; ++i) {
      const auto session = static_cast<uint32_t>(i % 4);
      Process& victim = stage.payer(session, [](Payer& self) { pay_much(self, 0); });
      stage.to_fault(victim, place);
      stage.world.schedule.kill(victim);
    }
    for (uint32_t session = 0; session < 4; ++session) stage.pay(session, 2, 20);
    const std::string violation = stage.end();
    if (!violation.empty()) return violation + " at " + base::fault_point_name(place);
  }
  return "";
}

// A copier of an LSN that was lapped publishes late, between the look and the CAS of the one that
// copies the LSN a lap later, for a session whose owner died before the copy.
std::string late_copier_of_a_lapped_slot() {
  Stage stage;
  const uint64_t ring = stage.world.options.shape.ring;
  commit::IndexSlot& index = stage.world.store().index(1);
  Process& late = stage.payer(0, [](Payer& self) { self.transfer_set(0, 1, 1); });
  stage.to_cas(late, &index);
  stage.pay(1, 2, ring - 1);
  Process& victim = stage.payer(2, [](Payer& self) { self.transfer_set(4, 5, 1); });
  stage.to_fault(victim, FaultPoint::commit_after_release);
  stage.world.schedule.kill(victim);
  stage.expect(stage.world.history.end() == ring + 2, "setup: another LSN");
  Process& heir = stage.payer(2, [](Payer& self) { self.transfer_set(4, 5, 1); });
  stage.to_cas(heir, &index);
  stage.finish(late);
  stage.finish(heir);
  return stage.end();
}

// A reader stops at each access of a fetch while the ring goes round, by less and by more than a
// lap: it gets the record or is told `overrun`, never another one.
std::string reader_is_overrun() {
  for (const uint64_t commits : {20u, 40u, 64u, 200u}) {
    for (int steps = 1; steps < 50; ++steps) {
      WorldOptions options = Stage::default_options();
      options.shape.blocks = 5;
      Stage stage(options);
      stage.pay(0, 0, 12);
      stage.pay(1, 2, 12);
      Process& reader = stage.other([&] { fetch(stage.world, stage.world.history.end() - 3); });
      for (int i = 0; i < steps && reader.can_run(); ++i) stage.world.schedule.step(reader);
      stage.pay(0, 0, commits / 2);
      stage.pay(1, 2, commits / 2);
      if (reader.can_run()) stage.finish(reader);
      const std::string violation = stage.end();
      if (!violation.empty()) return violation;
    }
  }
  return "";
}

// At each access from its claim on a record can be fetched, copied or not.
std::string fetched_at_every_moment() {
  for (int steps = 0;; ++steps) {
    WorldOptions options = Stage::default_options();
    options.shape.block_bytes = 256;
    Stage stage(options);
    stage.pay(0, 0, 20);
    Process& owner = stage.payer(0, [](Payer& self) {
      self.transfer_add(0, 1, 1);
      self.transfer_set(1, 0, 1);
    });
    stage.to_fault(owner, FaultPoint::commit_after_claim);
    for (int i = 0; i < steps && owner.can_run(); ++i) stage.world.schedule.step(owner);
    const bool was_done = owner.is_done();
    stage.finish(stage.other([&] {
      for (uint64_t lsn = log::log_floor(stage.world.store()); lsn < stage.world.history.end();
           ++lsn)
        fetch(stage.world, lsn);
    }));
    if (!was_done) stage.finish(owner);
    const std::string violation = stage.end();
    if (!violation.empty()) return violation + ", at access " + std::to_string(steps);
    if (was_done) return "";
  }
}

// A follower holds the ring and there is no room for another copy: the descriptor waits, and every
// record from the first on is there.
std::string descriptor_waits_for_its_copy() {
  WorldOptions options = Stage::default_options();
  options.shape.blocks = 4;
  Stage stage(options);
  stage.world.history.may_be_held = true;
  stage.finish(stage.other([&] {
    const auto opened =
        log::Follower::open(stage.world.store(), arena::AttachmentRef::of(0, 1), "journal",
                            log::FullPolicy::refuse_payments, log::Follower::Start::oldest);
    stage.expect(static_cast<bool>(opened), "setup: no follower");
  }));
  stage.finish(stage.payer(0, [&](Payer& self) {
    for (int i = 0; i < 40; ++i) {
      commit::WriteSet set;
      set.add(0, 0, i % 2 ? 1 : -1, 0, 100);
      set.add(1, 0, i % 2 ? -1 : 1, 0, 100);
      self.try_commit(set);
    }
  }));
  stage.expect(stage.world.history.attempts.back().result.outcome == commit::Outcome::backpressure,
               "setup: there is room for all");
  return stage.end();
}

constexpr Scenario kLogScenarios[] = {
    {"killed_at_every_access", killed_at_every_access},
    {"sleeps_for_laps", sleeps_for_laps},
    {"nobody_waits", nobody_waits},
    {"no_block_is_lost", no_block_is_lost},
    {"late_copier_of_a_lapped_slot", late_copier_of_a_lapped_slot},
    {"reader_is_overrun", reader_is_overrun},
    {"fetched_at_every_moment", fetched_at_every_moment},
    {"descriptor_waits_for_its_copy", descriptor_waits_for_its_copy},
};

}  // namespace

std::span<const Scenario> log_scenarios() { return kLogScenarios; }

}  // namespace casbook::test
