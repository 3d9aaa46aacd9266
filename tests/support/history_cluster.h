// Histories over hosts: callers on all of them write to one board, while daemons are killed, hosts
// cut off and callers killed. The witness is the log as it was durable on any host: read from all
// of them now and then, since a book that is built anew has not all of it, and the same wherever it
// is.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/cluster_run.h"
#include "support/history_caller.h"
#include "support/history_witness.h"

namespace casbook::test_support {

class HistoryCluster {
 public:
  static constexpr uint32_t kAccountsMax = 128;  // the first has no limits

  // Those behind the first `members` wait to be added; 0: there are none.
  HistoryCluster(uint32_t hosts, uint64_t seed, uint32_t members = 0);

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

  void kill_daemon(uint32_t host) { load_.daemons().kill(host); }
  void isolate(uint32_t host) { load_.hosts().wire().isolate(host); }
  // By the command, on the host that leads. False: it did not come to that.
  bool hand_over(uint32_t leader);
  bool add(uint32_t leader, uint32_t host);
  bool remove(uint32_t leader, uint32_t host);
  // As that host knows, which leads; none: it does not any more.
  std::vector<uint32_t> members(uint32_t leader);
  // All hosts are added, whoever leads meanwhile. False: it does not come to that.
  bool make_all_members();
  void heal();

  // For a while; another may come to lead by it.
  void begin_storm() {
    load_.hosts().wire().set_all(
        {.lose = 0.03, .duplicate = 0.05, .reorder = 0.1, .delay_us = 200, .jitter_us = 1000});
  }

  // Reads what is durable of the log, where there is one. To be called before a host is harmed.
  void take_logs();
  // All healed, and equal. What contradicts: the books each other, the logs each other, the history
  // the log. Nothing: some record was on no host when the logs were read.
  std::optional<std::vector<std::string>> problems();

 private:
  static constexpr uint64_t kRecordsMax = 1 << 15;
  struct Log {
    std::atomic<uint64_t> count;
    std::array<std::byte, kRecordsMax * sizeof(LoneRecord)> records;
  };
  void take_log(uint32_t host);
  // The members after a request to that host; none: refused, or without an answer.
  std::vector<uint32_t> ask(uint32_t leader, std::vector<std::string> words);

  Shared<HistoryWorld> world_;
  Shared<std::array<Account, kAccountsMax>> accounts_;
  Shared<Log> log_;
  const uint32_t founders_;
  ClusterRun load_;
  std::map<uint64_t, LoneRecord> records_;  // by LSN
  std::vector<std::string> differences_;
};

}  // namespace casbook::test_support
