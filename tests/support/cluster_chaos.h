// The chaos run over hosts: `casbook serve` on three or five, a payer on each, while daemons and
// payers are killed and stopped, memories lost, disks full and still, and the wire cuts, flaps,
// loses, doubles, reorders, delays and damages. At the end all is healed: the books have to become
// equal, cell by cell, and hold what was answered, each payment once.
#pragma once

#include <array>
#include <cstdio>
#include <vector>

#include "support/cluster_run.h"
#include "support/gap_watch.h"
#include "support/host_disks.h"
#include "support/random.h"

namespace casbook::test_support {

struct ClusterChaosOptions {
  uint32_t hosts = 3;
  // Daemons are killed and memories lost; without it only stopped and cut off, and `quorum` holds.
  bool kills = true;
  // Two halves now and then, and one host that is in both.
  bool bridges = false;
  // Each host has a disk of its own, which is full or stands still for a while.
  bool disks = false;
  uint64_t payments = 100'000;  // that a book has room for; so slow are they in a long run
};

// What is done to a host.
enum class Blow : uint32_t {
  kill,
  lose_memory,
  end,
  stop,
  cut_off,
  cut_one_way,
  flap,
  bridge,
  storm,
  heal,
  kill_payer,
  stop_payer,
  fill_disk,
  freeze_disk,
  count
};
constexpr size_t kBlows = static_cast<size_t>(Blow::count);

class ClusterChaos {
 public:
  ClusterChaos(const ClusterChaosOptions& options, uint64_t seed);
  // Empty: it can be run here.
  const std::string& why_not() const { return why_not_; }

  void run(uint64_t seconds);
  // On a busy machine it takes longer to become so.
  bool is_worth_its_name(uint64_t seconds) const;
  // What was done to whom, what became of it, and which expectations failed.
  void print(std::FILE* file) const;

 private:
  struct Minute {
    uint64_t payments = 0, leader_changes = 0, blows = 0;
    double longest_gap_ms = 0;
  };

  uint32_t any_host() { return 1 + static_cast<uint32_t>(random_.below(run_.count())); }
  uint32_t victim();
  bool is_possible(Blow blow) const;
  void strike();
  void strike(Blow blow, uint32_t host);
  void stop(uint32_t host);
  void cut_one_way(uint32_t host);
  void flap(uint32_t host);
  void cut_in_halves(uint32_t bridge);
  void storm();
  void end_daemon(uint32_t host);
  void restart_the_dead();
  void tend_disks();
  void heal();
  bool await_progress();
  void note_minute();
  uint64_t highest_term();
  uint64_t count_of(Blow blow) const;
  void print_blows(std::FILE* file) const;
  void print_minutes(std::FILE* file) const;
  static uint64_t print_problems(std::FILE* file);

  const ClusterChaosOptions options_;
  test::Random random_;
  ClusterRun run_;
  std::optional<HostDisks> disks_;
  std::optional<GapWatch> gaps_;
  std::string why_not_;
  std::array<std::array<uint64_t, kHostsMax>, kBlows> blows_{};
  std::array<int64_t, kHostsMax> full_until_ns_{};  // 0: its disk has room
  std::vector<Minute> minutes_;
  Minute before_;  // all until the minute that is under way
  int64_t minute_at_ns_ = 0;
  uint64_t starts_ = 0, first_term_ = 0, last_term_ = 0;
};

}  // namespace casbook::test_support
