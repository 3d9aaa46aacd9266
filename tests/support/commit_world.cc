#include "support/commit_world.h"

#include "support/commit_check.h"

namespace casbook::test {

World::World(const WorldOptions& world_options)
    : options(world_options),
      arena(MemoryArena::of_shape(options.shape)),
      schedule(options.seed),
      history(arena, schedule, options.available) {
  arena.format(options.gate_open, options.available);
  base::tuning.tail_lag_max = options.tail_lag_max;
  base::tuning.spins_before_helping = 0;
}

World::~World() { base::tuning = {}; }

std::string World::sweep_and_check() {
  if (schedule.has_failed()) return schedule.failure();
  Process& sweeper = schedule.spawn(-1, [this] {
    commit::Executor executor(store());
    for (uint32_t i = 0; i < arena.shape().sessions; ++i) executor.run_session(i);
    commit::CellImage image;
    for (uint32_t i = 0; i < arena.shape().accounts; ++i)
      commit::read_cell(store(), executor, arena.account(i), 1, image);
    for (uint64_t lsn = log::log_floor(store()); lsn < log::log_end(store()); ++lsn)
      fetch(*this, lsn);
  });
  schedule.synchronise(sweeper);
  schedule.finish(sweeper);
  return schedule.has_failed() ? schedule.failure() : check_history(history);
}

// --- observers
// -------------------------------------------------------------------------------------

namespace {

CellSeen seen_of(commit::Unit unit, Interval time, const commit::CellImage& image) {
  CellSeen seen{.time = time,
                .unit = unit,
                .count = image.count,
                .has_cell_version = true,
                .version = image.version};
  for (uint32_t i = 0; i < image.count; ++i) {
    seen.value[i] = image.value[i];
    seen.word_version[i] = image.word_version[i];
  }
  return seen;
}

}  // namespace

void peek(World& world, uint32_t account) {
  const uint64_t began = world.history.known();
  const commit::Unit unit = world.arena.account(account);
  commit::CellImage image;
  commit::peek_cell(world.store(), unit, kAccountWords, image);
  world.history.cells.push_back(seen_of(unit, {began, world.now()}, image));
}

void peek_word(World& world, uint32_t account, uint32_t word) {
  const uint64_t began = world.history.known();
  const commit::Unit unit = world.arena.account(account);
  const commit::WordImage image = commit::peek_word(world.store(), unit, word);
  CellSeen seen{.time = {began, world.now()}, .unit = unit, .first_word = word, .count = 1};
  seen.value[0] = image.value;
  seen.word_version[0] = image.version;
  world.history.cells.push_back(seen);
}

namespace {

void note_snapshot(World& world, uint64_t began, bool is_past, Result<log::Snapshot> snapshot) {
  if (!snapshot) {
    if (snapshot.error().code != Code::overrun) world.schedule.fail("a snapshot is refused");
    return;
  }
  world.history.snapshots.push_back({.time = {began, world.now()},
                                     .is_past = is_past,
                                     .position = snapshot->position,
                                     .values = std::move(snapshot->values)});
}

}  // namespace

void take_snapshot(World& world) {
  const uint64_t began = world.history.known();
  const log::UnitRange all{0, world.arena.shape().accounts, 1};
  note_snapshot(world, began, false, log::take_snapshot(world.store(), all, kAccountWords));
}

void take_past_snapshot(World& world) {
  const uint64_t began = world.history.known();
  const uint64_t end = world.history.end_at(began);
  const uint64_t lsn = end - 1 - world.schedule.random().below(std::min<uint64_t>(end - 1, 20) + 1);
  const Claim* claim = world.history.find_claim(lsn);
  const log::UnitRange all{0, world.arena.shape().accounts, 1};
  note_snapshot(world, began, true,
                log::take_snapshot_at(world.store(), all, kAccountWords,
                                      claim ? claim->record.position : Position{}));
}

log::Fetch fetch(World& world, uint64_t lsn) {
  FetchSeen seen{.time = {world.history.known(), 0}, .lsn = lsn};
  seen.result = log::fetch(world.store(), lsn, seen.record);
  seen.floor_after = log::log_floor(world.store());
  seen.time.ended = world.now();
  world.history.fetches.push_back(seen);
  return seen.result;
}

void observe_anything(World& world) {
  Random& random = world.schedule.random();
  const auto account = static_cast<uint32_t>(random.below(world.arena.shape().accounts));
  switch (random.below(8)) {
    case 0:
      return take_snapshot(world);
    case 1:
      return take_past_snapshot(world);
    case 2:
    case 3:
      return peek_word(world, account, static_cast<uint32_t>(random.below(kAccountWords)));
    case 4: {
      const uint64_t end = world.history.end();
      fetch(world, std::max<uint64_t>(1, end + 2 - std::min(end, random.below(40))));
      return;
    }
    default:
      return peek(world, account);
  }
}

// --- readers of the log
// ----------------------------------------------------------------------------

namespace {

log::Follower open_follower(World& world, const FollowOptions& options) {
  const auto start =
      world.schedule.random().one_in(2) ? log::Follower::Start::oldest : log::Follower::Start::end;
  auto opened = log::Follower::open(world.store(), arena::AttachmentRef::of(0, 1), options.name,
                                    options.policy, start);
  if (!opened) world.schedule.fail("a follower is refused");
  return *opened;
}

void check_followed(World& world, uint64_t lsn, const log::Record& record) {
  const Claim* claim = world.history.find_claim(lsn);
  if (!claim || !same_record(claim->record, record))
    world.schedule.fail("a follower got another record");
}

}  // namespace

void follow(World& world, const FollowOptions& options) {
  Random& random = world.schedule.random();
  world.history.may_be_held = true;
  log::Follower follower = open_follower(world, options);
  const bool may_lose = options.has_twin || options.policy == log::FullPolicy::drop_follower;
  log::Record record;
  for (;;) {
    const uint64_t lsn = follower.next_lsn();
    const log::Fetch result = follower.next(record);
    if (result == log::Fetch::got) {
      check_followed(world, lsn, record);
      if (random.one_in(3)) follower.release();
      if (random.one_in(40)) {
        follower.remove();
        follower = open_follower(world, options);
      }
    } else if (result == log::Fetch::end) {
      follower.release();
      if (world.schedule.is_stopping() && lsn == world.history.end()) return;
      world.schedule.idle();
    } else if (result == log::Fetch::overrun && may_lose) {
      return;
    } else {
      world.schedule.fail("a follower lost a record");
    }
  }
}

void read_along(World& world) {
  uint64_t lsn = log::log_floor(world.store());
  for (;;) {
    const log::Fetch result = fetch(world, lsn);
    if (result == log::Fetch::got) {
      ++lsn;
    } else if (result == log::Fetch::overrun) {
      lsn = std::max(lsn + 1, log::log_floor(world.store()));
    } else {
      world.history.fetches.pop_back();
      if (world.schedule.is_stopping()) return;
      world.schedule.idle();
    }
  }
}

}  // namespace casbook::test
