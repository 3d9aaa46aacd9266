// Histories over hosts: callers on all of them write to one board, while daemons are killed, hosts
// cut off and callers killed. The log of a host that was never rebuilt is the witness; what the
// others still have of theirs has to be the same.
#pragma once

#include <memory>
#include <optional>
#include <set>

#include "support/cluster_run.h"
#include "support/history_caller.h"

namespace casbook::test_support {

class HistoryCluster {
 public:
  static constexpr uint32_t kAccountsMax = 128;  // the first has no limits

  HistoryCluster(uint32_t hosts, uint64_t seed);

  ClusterRun& load() { return load_; }
  HistoryWorld& world() { return *world_; }
  uint32_t count() const { return load_.count(); }
  Account account(uint32_t number) const { return (*accounts_)[number]; }

  // Daemons on all hosts, and accounts in their book. False: it does not come to that.
  bool begin(uint32_t accounts);
  uint32_t await_leader();
  // A process on that host; `body` is called again with a new attachment when it returns, until the
  // world is told to stop.
  Child start_caller(uint32_t host, uint32_t number, bool is_unconfirmed,
                     const std::vector<Account>& accounts,
                     const std::function<void(HistoryCaller&)>& body);

  // Of one host whose log stays whole whatever happens there is always one more. False: this one is
  // it.
  bool may_harm(uint32_t host);
  void kill_daemon(uint32_t host) { load_.daemons().kill(host); }
  void isolate(uint32_t host) { load_.hosts().wire().isolate(host); }
  // By the command, on the host that leads. False: it did not come to that.
  bool hand_over(uint32_t leader);
  void heal();

  // For a while; another may come to lead by it.
  void begin_storm() {
    load_.hosts().wire().set_all(
        {.lose = 0.03, .duplicate = 0.05, .reorder = 0.1, .delay_us = 200, .jitter_us = 1000});
  }

  // All healed, and equal. What contradicts: the books each other, the logs each other, the history
  // the log. Nothing: no host has the whole log, for each was rebuilt.
  std::optional<std::vector<std::string>> problems();

 private:
  static constexpr uint64_t kRecordsMax = 1 << 15;
  struct Log {
    std::atomic<uint64_t> count;
    std::array<std::byte, kRecordsMax * sizeof(WitnessRecord)> records;
  };
  std::vector<WitnessRecord> log_of(uint32_t host);

  Shared<HistoryWorld> world_;
  Shared<std::array<Account, kAccountsMax>> accounts_;
  Shared<Log> log_;
  ClusterRun load_;
  std::set<uint32_t> harmed_;
};

}  // namespace casbook::test_support
