#include "support/cluster_chaos.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace casbook::test_support {

namespace {

constexpr int kConvergenceSeconds = 30;
constexpr uint64_t kProgress = 5;  // payments of each client after healing
constexpr int64_t kSecond = 1'000'000'000, kMinute = 60 * kSecond;
constexpr uint32_t kDiskMebibytes = 512;

struct Named {
  const char* name;
  uint32_t weight;
};
constexpr Named kNames[kBlows] = {{"daemons killed", 2},
                                  {"memories lost", 1},
                                  {"daemons told to end", 1},
                                  {"daemons stopped", 2},
                                  {"hosts cut off", 2},
                                  {"links cut one way", 2},
                                  {"hosts that flap", 2},
                                  {"bridges", 2},
                                  {"storms of loss and delay", 2},
                                  {"wires healed", 4},
                                  {"payers killed", 1},
                                  {"payers stopped or waked", 2},
                                  {"disks full", 1},
                                  {"disks that stand still", 1}};

ClusterPlan plan_of(const ClusterChaosOptions& options) {
  ClusterPlan plan;
  plan.arena = small_arena(options.payments);
  plan.segment = "4MiB";
  plan.more = "[checkpoint]\nevery = \"500ms\"\n";
  return plan;
}

}  // namespace

ClusterChaos::ClusterChaos(const ClusterChaosOptions& options, uint64_t seed)
    : options_(options), random_(seed), run_({.count = options.hosts, .seed = seed}) {
  why_not_ = run_.hosts().why_not();
  if (!why_not_.empty()) return;
  run_.make_daemons(plan_of(options));
  if (!options.disks) return;
  disks_.emplace(run_.hosts(), kDiskMebibytes);
  why_not_ = disks_->why_not();
}

// --- blows

// Mostly whoever led last: that hurts most.
uint32_t ClusterChaos::victim() {
  const auto leader = static_cast<uint32_t>(run_.truth().last_leader.load());
  return leader != 0 && random_.one_in(2) ? leader : any_host();
}

bool ClusterChaos::is_possible(Blow blow) const {
  switch (blow) {
    case Blow::kill:
    case Blow::lose_memory:
    case Blow::end:
      return options_.kills;
    case Blow::bridge:
      return options_.bridges;
    case Blow::fill_disk:
    case Blow::freeze_disk:
      return disks_.has_value();
    default:
      return true;
  }
}

void ClusterChaos::strike() {
  uint32_t all = 0;
  for (size_t i = 0; i < kBlows; ++i)
    if (is_possible(static_cast<Blow>(i))) all += kNames[i].weight;
  auto at = static_cast<uint32_t>(random_.below(all));
  for (size_t i = 0; i < kBlows; ++i) {
    if (!is_possible(static_cast<Blow>(i))) continue;
    if (at < kNames[i].weight) return strike(static_cast<Blow>(i), victim());
    at -= kNames[i].weight;
  }
}

void ClusterChaos::strike(Blow blow, uint32_t host) {
  ++blows_[static_cast<size_t>(blow)][host - 1];
  auto& payer = run_.payer(host);
  switch (blow) {
    case Blow::kill:
      return run_.daemons().kill(host);
    case Blow::lose_memory:  // what a loss of power leaves: the disk
      return run_.lose_memory(host);
    case Blow::end:
      return end_daemon(host);
    case Blow::stop:
      return stop(host);
    case Blow::cut_off:
      return run_.hosts().wire().isolate(host);
    case Blow::cut_one_way:
      return cut_one_way(host);
    case Blow::flap:
      return flap(host);
    case Blow::bridge:
      return cut_in_halves(host);
    case Blow::storm:
      return storm();
    case Blow::heal:
      return run_.hosts().wire().heal();
    case Blow::kill_payer:
      return payer.reset();
    case Blow::stop_payer:
      return payer ? payer->signal(random_.one_in(2) ? SIGSTOP : SIGCONT) : void();
    case Blow::fill_disk:
      full_until_ns_[host - 1] =
          monotonic_ns() + static_cast<int64_t>(random_.below(3 * static_cast<uint64_t>(kSecond)));
      return disks_->fill(host);
    case Blow::freeze_disk:
      return disks_->freeze_for(host, static_cast<int64_t>(random_.below(2'000'000)));
    case Blow::count:
      break;
  }
}

void ClusterChaos::stop(uint32_t host) {
  run_.daemons().signal(host, SIGSTOP);
  sleep_us(static_cast<int64_t>(random_.below(600'000)));
  run_.daemons().signal(host, SIGCONT);
}

void ClusterChaos::cut_one_way(uint32_t host) {
  const uint32_t other = any_host();
  if (other != host) run_.hosts().wire().cut_one_way(host, other);
}

// A plug with a loose contact: there and gone, around the length of a heartbeat and of an election
// timeout.
void ClusterChaos::flap(uint32_t host) {
  const uint64_t period_us = random_.one_in(2) ? 60'000 : 300'000;
  const int64_t until_ns = monotonic_ns() + static_cast<int64_t>(random_.below(kSecond));
  while (monotonic_ns() < until_ns) {
    run_.hosts().wire().isolate(host);
    sleep_us(static_cast<int64_t>(random_.below(period_us)));
    for (uint32_t other = 1; other <= run_.count(); ++other) {
      if (other == host) continue;
      run_.hosts().wire().set(host, other, {});
      run_.hosts().wire().set(other, host, {});
    }
    sleep_us(static_cast<int64_t>(random_.below(period_us)));
  }
}

// The others are in one half each, and see the bridge and their half.
void ClusterChaos::cut_in_halves(uint32_t bridge) {
  std::vector<uint32_t> others;
  for (uint32_t host = 1; host <= run_.count(); ++host)
    if (host != bridge) others.insert(others.begin() + random_.below(others.size() + 1), host);
  const size_t half = others.size() / 2;
  for (size_t one = 0; one < half; ++one)
    for (size_t other = half; other < others.size(); ++other)
      run_.hosts().wire().cut(others[one], others[other]);
  sleep_us(static_cast<int64_t>(random_.below(1'500'000)));
}

void ClusterChaos::storm() {
  const auto chance = [&](uint64_t percent) {
    return static_cast<double>(random_.below(percent + 1)) / 100;
  };
  run_.hosts().wire().set_all({.lose = chance(20),
                               .duplicate = chance(10),
                               .reorder = chance(10),
                               .corrupt = chance(2),
                               .delay_us = static_cast<int64_t>(random_.below(2000)),
                               .jitter_us = static_cast<int64_t>(random_.below(1000))});
}

// On a disk that is full or stands still a daemon may end with an error.
void ClusterChaos::end_daemon(uint32_t host) {
  const Ended ended = run_.daemons().stop(host);
  EXPECT_TRUE(ended.exit_code == 0 || disks_) << "after SIGTERM on host " << host << "\n"
                                              << ended.err;
}

// --- the run

void ClusterChaos::restart_the_dead() {
  for (uint32_t host = 1; host <= run_.count(); ++host) {
    if (!run_.daemons().is_running(host) && !random_.one_in(4))
      run_.daemons().start(host), ++starts_;
    if (auto& payer = run_.payer(host); payer && payer->has_ended()) payer.reset();
  }
  run_.start_payers();
}

void ClusterChaos::tend_disks() {
  for (uint32_t host = 1; host <= run_.count(); ++host) {
    int64_t& until_ns = full_until_ns_[host - 1];
    if (until_ns == 0 || monotonic_ns() < until_ns) continue;
    disks_->make_room(host);
    until_ns = 0;
  }
}

void ClusterChaos::heal() {
  run_.hosts().wire().heal();
  for (uint32_t host = 1; host <= run_.count(); ++host) {
    run_.daemons().signal(host, SIGCONT);
    if (run_.payer(host)) run_.payer(host)->signal(SIGCONT);
    if (full_until_ns_[host - 1] != 0) full_until_ns_[host - 1] = 1;
  }
  if (disks_) tend_disks();
  restart_the_dead();
  run_.daemons().start_all();
}

// Whoever dies of what was done before is started again.
bool ClusterChaos::await_progress() {
  const int64_t until_ns = monotonic_ns() + kConvergenceSeconds * kSecond;
  for (;;) {
    run_.daemons().start_all();
    if (run_.await_progress(kProgress, 1)) return true;
    if (monotonic_ns() > until_ns) return false;
  }
}

void ClusterChaos::note_minute() {
  uint64_t blows = 0;
  for (size_t i = 0; i < kBlows; ++i) blows += count_of(static_cast<Blow>(i));
  const uint64_t reached = run_.truth().reached(), changes = run_.truth().leader_changes;
  minutes_.push_back({.payments = reached - before_.payments,
                      .leader_changes = changes - before_.leader_changes,
                      .blows = blows - before_.blows,
                      .longest_gap_ms = gaps_->longest_ms()});
  before_ = {.payments = reached, .leader_changes = changes, .blows = blows};
  gaps_->begin_anew();
  minute_at_ns_ = monotonic_ns() + kMinute;
}

uint64_t ClusterChaos::highest_term() {
  uint64_t term = 0;
  for (uint32_t host = 1; host <= run_.count(); ++host)
    term = std::max(term, run_.look(host).leader_term);
  return term;
}

void ClusterChaos::run(uint64_t seconds) {
  // The room for payments is to last.
  run_.truth().pause_us =
      std::max<uint64_t>(300, seconds * 1'000'000 / (options_.payments * 3 / 4));
  heal();
  ASSERT_TRUE(await_progress()) << "nobody pays at the beginning\n" << run_.all_events(30);
  first_term_ = highest_term();
  gaps_.emplace(run_.truth());
  const int64_t length_ns = static_cast<int64_t>(seconds) * kSecond;
  const int64_t begun_ns = monotonic_ns();
  minute_at_ns_ = begun_ns + kMinute;
  const auto goes_on = [&] {
    const int64_t passed_ns = monotonic_ns() - begun_ns;
    return passed_ns < length_ns || (passed_ns < 4 * length_ns && !is_worth_its_name(seconds));
  };
  while (goes_on() && !testing::Test::HasFailure()) {
    strike();
    sleep_us(static_cast<int64_t>(20'000 + random_.below(250'000)));
    if (disks_) tend_disks();
    restart_the_dead();
    if (monotonic_ns() >= minute_at_ns_) note_minute();
  }
  note_minute();
  heal();
  ASSERT_TRUE(await_progress()) << "nobody pays any more\n" << run_.all_events(30);
  last_term_ = highest_term();
  run_.stop_payers();
  run_.expect_sound({.is_quorum_kept = !options_.kills});
  if (testing::Test::HasFailure()) std::printf("%s", run_.all_events(30).c_str());
}

bool ClusterChaos::is_worth_its_name(uint64_t seconds) const {
  const ClusterTruth& truth = run_.truth();
  return truth.reached() > 20 * seconds && truth.leader_changes > seconds / 6 &&
         truth.grants > seconds / 6;
}

// --- the report

uint64_t ClusterChaos::count_of(Blow blow) const {
  uint64_t sum = 0;
  for (const uint64_t count : blows_[static_cast<size_t>(blow)]) sum += count;
  return sum;
}

void ClusterChaos::print_blows(std::FILE* file) const {
  std::fprintf(file, "done to hosts%28s", "all");
  for (uint32_t host = 1; host <= run_.count(); ++host) std::fprintf(file, "%8u", host);
  std::fprintf(file, "\n");
  for (size_t i = 0; i < kBlows; ++i) {
    if (!is_possible(static_cast<Blow>(i))) continue;
    std::fprintf(file, "  %-28s %10llu", kNames[i].name,
                 static_cast<unsigned long long>(count_of(static_cast<Blow>(i))));
    for (uint32_t host = 1; host <= run_.count(); ++host)
      std::fprintf(file, "%8llu", static_cast<unsigned long long>(blows_[i][host - 1]));
    std::fprintf(file, "\n");
  }
}

void ClusterChaos::print_minutes(std::FILE* file) const {
  std::fprintf(file, "by minute %12s %16s %14s %8s\n", "payments", "leader changes", "longest gap",
               "blows");
  for (size_t i = 0; i < minutes_.size(); ++i)
    std::fprintf(file, "  %7zu %12llu %16llu %11.0f ms %8llu\n", i + 1,
                 static_cast<unsigned long long>(minutes_[i].payments),
                 static_cast<unsigned long long>(minutes_[i].leader_changes),
                 minutes_[i].longest_gap_ms, static_cast<unsigned long long>(minutes_[i].blows));
}

uint64_t ClusterChaos::print_problems(std::FILE* file) {
  const auto* const test = testing::UnitTest::GetInstance()->current_test_info();
  uint64_t problems = 0;
  for (int i = 0; test && i < test->result()->total_part_count(); ++i) {
    const testing::TestPartResult& part = test->result()->GetTestPartResult(i);
    if (!part.failed()) continue;
    ++problems;
    std::fprintf(file, "  %s\n", part.summary());
  }
  return problems;
}

void ClusterChaos::print(std::FILE* file) const {
  const auto line = [file](const char* what, uint64_t count) {
    std::fprintf(file, "  %-28s %10llu\n", what, static_cast<unsigned long long>(count));
  };
  const ClusterTruth& truth = run_.truth();
  print_blows(file);
  std::fprintf(file, "what became of it\n");
  line("payments that reached", truth.reached()), line("changes of leader", truth.leader_changes);
  line("terms used", last_term_ > first_term_ ? last_term_ - first_term_ : 0);
  line("answers not_leader", truth.not_leader), line("answers outcome_unknown", truth.unknown);
  line("positions undone", truth.undone_count), line("leases granted, durable", truth.grants);
  line("daemons started", starts_);
  const LinkCounts wire = run_.hosts().wire_counts();
  line("frames passed", wire.passed), line("frames lost or cut", wire.lost + wire.cut);
  double longest_ms = 0;
  for (const Minute& minute : minutes_) longest_ms = std::max(longest_ms, minute.longest_gap_ms);
  line("longest gap, ms", static_cast<uint64_t>(longest_ms));
  if (gaps_) line("gaps of 1 s and more", gaps_->long_ones());
  print_minutes(file);
  std::fprintf(file, "problems\n");
  line("expectations that failed", print_problems(file));
}

}  // namespace casbook::test_support
