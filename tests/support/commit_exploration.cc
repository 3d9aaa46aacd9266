#include "support/commit_exploration.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "support/commit_world.h"

namespace casbook::test {

namespace {

struct Volume {
  uint64_t steps = 0, commits = 0, kills = 0, fetches = 0, reads = 0, snapshots = 0, refused = 0,
           conflicts = 0, held = 0, wide_set = 0, wide_any = 0;
} volume;

void count(const World& world, uint32_t kills) {
  volume.steps += world.now();
  volume.kills += kills;
  volume.commits += world.history.claims.size();
  volume.fetches += world.history.fetches.size();
  volume.reads += world.history.cells.size();
  volume.snapshots += world.history.snapshots.size();
  for (const Attempt& attempt : world.history.attempts) {
    volume.refused += attempt.result.outcome == commit::Outcome::refused;
    volume.conflicts += attempt.is_answered && attempt.result.outcome == commit::Outcome::conflict;
    volume.held += attempt.result.outcome == commit::Outcome::backpressure;
    if (attempt.result.outcome != commit::Outcome::committed || attempt.entries.size() < 5)
      continue;
    const bool is_any = attempt.entries[0].mode() == commit::Mode::add;
    ++(is_any ? volume.wide_any : volume.wide_set);
  }
}

WorldOptions random_options(Random& random, uint64_t seed) {
  WorldOptions options;
  options.seed = seed;
  options.shape.sessions = 2 + static_cast<uint32_t>(random.below(3));
  options.shape.accounts = 2 + static_cast<uint32_t>(random.below(4));
  options.shape.blocks = options.shape.sessions + 2;
  options.shape.block_bytes = random.one_in(2) ? 512 : 2048;
  options.descriptors = 1u << random.below(4);
  options.any_percent = static_cast<uint32_t>(random.below(3)) * 50;
  return options;
}

// A payer that does `count` things; whoever is born after its death goes on with fewer.
void spawn_payer(World& world, uint32_t session, uint64_t count,
                 bool (Payer::*act)() = &Payer::do_anything) {
  Process& process = world.schedule.spawn(static_cast<int>(session), [&world, session, count, act] {
    Payer payer(world, session);
    for (uint64_t i = 0; i < count && (payer.*act)(); ++i) {
    }
  });
  process.rebirth = [&world, session, count, act] {
    spawn_payer(world, session, 1 + count / 2, act);
  };
}

std::string run_to_end(World& world) {
  RandomOptions options;
  options.kills_max = static_cast<uint32_t>(world.schedule.random().below(4));
  const uint32_t kills = run_random(world.schedule, world.arena, options);
  const std::string violation = world.sweep_and_check();
  count(world, kills);
  return violation;
}

// Most worlds are small, where conflicts are dense; some run the ring round.
uint64_t random_work(Random& random) { return random.one_in(5) ? 30 : 1 + random.below(6); }

}  // namespace

std::string run_payers(uint64_t seed) {
  Random random(seed);
  World world(random_options(random, seed));
  const uint64_t work = random_work(random);
  for (uint32_t i = 0; i < world.options.shape.sessions; ++i) spawn_payer(world, i, work);
  if (random.one_in(2))
    world.schedule.spawn(100, [&] {
      for (uint64_t i = 0; i < 2 * work; ++i) observe_anything(world);
    });
  return run_to_end(world);
}

std::string run_wide(uint64_t seed) {
  Random random(seed);
  WorldOptions options = random_options(random, seed);
  options.shape.accounts = 8;
  World world(options);
  const uint64_t work = random_work(random);
  for (uint32_t i = 0; i < world.options.shape.sessions; ++i)
    spawn_payer(world, i, work, &Payer::do_anything_wide);
  return run_to_end(world);
}

namespace {

enum class Operation { seal, seal_and_open, open_without_seal, promote, count };

void spawn_operator(World& world, Operation operation, uint64_t wait) {
  Process& process = world.schedule.spawn(101, [&world, operation] {
    commit::Executor executor(world.store());
    if (operation == Operation::seal || operation == Operation::seal_and_open) {
      executor.seal(1);
      if (world.schedule.random().one_in(2)) {
        executor.refresh_hint();
        for (uint32_t i = 0; i < world.options.shape.sessions; ++i) executor.run_session(i);
      }
    }
    if (operation != Operation::seal) {
      executor.open(2);
      if (!(world.store().control().gate.load_acquire() & 1))
        world.schedule.fail("opened, and the gate is shut");
    }
  });
  process.stopped_until = world.now() + wait;
  process.rebirth = [&world, operation] { spawn_operator(world, operation, 0); };
}

// Goes on when the gate is open again; gives up where it stays shut.
void spawn_gated_payer(World& world, uint32_t session, uint64_t count, bool waits) {
  Process& process =
      world.schedule.spawn(static_cast<int>(session), [&world, session, count, waits] {
        Payer payer(world, session);
        for (uint64_t i = 0; i < count; ++i) {
          if (payer.do_anything()) continue;
          if (!waits) return;
          while (!(world.store().control().gate.load_acquire() & 1)) world.schedule.idle();
        }
      });
  process.rebirth = [&world, session, count, waits] {
    spawn_gated_payer(world, session, 1 + count / 2, waits);
  };
}

}  // namespace

std::string run_gate(uint64_t seed) {
  Random random(seed);
  WorldOptions options = random_options(random, seed);
  const auto operation =
      static_cast<Operation>(random.below(static_cast<uint64_t>(Operation::count)));
  options.gate_open = operation != Operation::promote;
  World world(options);
  const uint64_t work = random_work(random);
  for (uint32_t i = 0; i < options.shape.sessions; ++i)
    spawn_gated_payer(world, i, work, operation != Operation::seal);
  const uint64_t operators = 1 + random.below(2);
  for (uint64_t i = 0; i < operators; ++i)
    spawn_operator(world, operation, random.below(200 * work));
  return run_to_end(world);
}

namespace {

void spawn_follower(World& world, int id, const FollowOptions& options, uint64_t wait) {
  Process& process =
      world.schedule.spawn_background(id, [&world, options] { follow(world, options); });
  process.stopped_until = world.now() + wait;
  process.rebirth = [&world, id, options] { spawn_follower(world, id, options, 0); };
}

}  // namespace

std::string run_followers(uint64_t seed) {
  Random random(seed);
  World world(random_options(random, seed));
  const uint64_t work = random.one_in(3) ? 30 : 8;
  for (uint32_t i = 0; i < world.options.shape.sessions; ++i) spawn_payer(world, i, work);
  const bool has_twin = random.one_in(3);
  spawn_follower(world, 102, {.name = "journal", .has_twin = has_twin}, random.below(4000));
  if (has_twin)
    spawn_follower(world, 103, {.name = "journal", .has_twin = true}, random.below(4000));
  if (random.one_in(2)) spawn_follower(world, 104, {.name = "auditor"}, random.below(4000));
  if (random.one_in(3))
    spawn_follower(world, 105, {"laggard", log::FullPolicy::drop_follower}, random.below(4000));
  if (random.one_in(2)) world.schedule.spawn_background(106, [&] { read_along(world); });
  return run_to_end(world);
}

// --- the exploration
// -------------------------------------------------------------------------------

namespace {

double seconds_from_environment(const char* name, double otherwise) {
  const char* text = std::getenv(name);
  return text ? std::atof(text) : otherwise;
}

}  // namespace

Exploration explore_for(RunWorld run, double seconds, uint64_t first_seed) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  Exploration result;
  for (uint64_t seed = first_seed;; ++seed) {
    result.violation = run(seed);
    ++result.runs;
    if (!result.violation.empty()) {
      result.violation = "seed " + std::to_string(seed) + ": " + result.violation;
      return result;
    }
    if (std::chrono::duration<double>(Clock::now() - start).count() > seconds) return result;
  }
}

void explore(RunWorld run) {
  volume = {};
  const auto seed = static_cast<uint64_t>(seconds_from_environment("CASBOOK_SEED", 1));
  const Exploration result = explore_for(run, seconds_from_environment("CASBOOK_SECONDS", 4), seed);
  std::printf(
      "%llu runs, %llu accesses, %llu commits, %llu conflicts, %llu refusals, %llu kills, "
      "%llu reads, %llu snapshots, %llu fetches, %llu waits for the ring, %llu and %llu commits of "
      "five cells and more, strict and of any version\n",
      static_cast<unsigned long long>(result.runs), static_cast<unsigned long long>(volume.steps),
      static_cast<unsigned long long>(volume.commits),
      static_cast<unsigned long long>(volume.conflicts),
      static_cast<unsigned long long>(volume.refused),
      static_cast<unsigned long long>(volume.kills), static_cast<unsigned long long>(volume.reads),
      static_cast<unsigned long long>(volume.snapshots),
      static_cast<unsigned long long>(volume.fetches), static_cast<unsigned long long>(volume.held),
      static_cast<unsigned long long>(volume.wide_set),
      static_cast<unsigned long long>(volume.wide_any));
  EXPECT_EQ(result.violation, "");
  EXPECT_GT(volume.commits, 0u);
  if (run == run_wide) {
    EXPECT_GT(volume.wide_set, 0u);
    EXPECT_GT(volume.wide_any, 0u);
  }
}

}  // namespace casbook::test
