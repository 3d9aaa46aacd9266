#include "support/history_cluster.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "support/history_witness.h"

namespace casbook::test_support {
namespace {

using namespace std::chrono_literals;

constexpr int kPatienceSeconds = 30;

ClusterPlan plan() {
  ClusterPlan plan;
  // The ring keeps all records of a run.
  plan.arena =
      "accounts = 256\npayments = 40000\nrecords = 32768\nleases = 256\nledgers = 4\n"
      "sessions = 32\n";
  plan.election_timeout_ms = 300, plan.heartbeat_ms = 50;
  return plan;
}

// Not those of the clients of ClusterRun.
AccountId account_id_of(uint32_t number) { return {ExternalId::of_number(3'000'000 + number)}; }

}  // namespace

HistoryCluster::HistoryCluster(uint32_t hosts, uint64_t seed)
    : load_({.count = hosts, .seed = seed}) {}

bool HistoryCluster::begin(uint32_t accounts) {
  load_.make_daemons(plan());
  load_.daemons().start_all();
  const auto open_all = [&] {
    auto book = Book::attach(load_.daemons().book());
    require(static_cast<bool>(book), "no book");
    auto session = book->open_session();
    require(session && session->open_ledger("CZK", 2), "no ledger");
    for (uint32_t i = 0; i < accounts; ++i) {
      AccountOptions options{.ledger = "CZK"};
      if (i > 0) options.limits.min_available = 0;
      const auto account = session->open_account(account_id_of(i), options);
      require(static_cast<bool>(account), "an account is not opened");
      (*accounts_)[i] = *account;
    }
  };
  return await(
      [&] {
        const uint32_t leader = load_.leader();
        return leader != 0 && fork_on(load_.hosts(), leader, open_all).succeeded();
      },
      kPatienceSeconds);
}

uint32_t HistoryCluster::await_leader() {
  uint32_t leader = 0;
  await([&] { return (leader = load_.leader()) != 0; }, kPatienceSeconds);
  return leader;
}

Child HistoryCluster::start_caller(uint32_t host, uint32_t number, bool is_unconfirmed,
                                   const std::vector<Account>& accounts,
                                   const std::function<void(HistoryCaller&)>& body) {
  return fork_on(load_.hosts(), host, [&, number] {
    for (; world_->must_stop == 0 && !world_->board.is_full(); sleep_us(2000)) {
      auto book = Book::attach(load_.daemons().book());
      if (!book) continue;
      auto session = book->open_session();
      if (!session) continue;
      HistoryCaller caller(*world_, *book, std::move(*session), accounts,
                           {.process = number,
                            .level = Level::durable,
                            .patience = 300ms,
                            .is_unconfirmed = is_unconfirmed});
      body(caller);
    }
  });
}

bool HistoryCluster::may_harm(uint32_t host) {
  if (!harmed_.contains(host) && harmed_.size() + 1 >= count()) return false;
  harmed_.insert(host);
  return true;
}

bool HistoryCluster::hand_over(uint32_t leader) {
  return start_on(load_.hosts(), leader, CASBOOK_COMMAND_INSTRUMENTED,
                  {"cluster", "transfer", load_.daemons().book(), "--timeout", "2s"})
             ->wait()
             .exit_code == 0;
}

void HistoryCluster::heal() {
  load_.hosts().wire().heal();
  load_.daemons().start_all();
}

std::vector<WitnessRecord> HistoryCluster::log_of(uint32_t host) {
  log_->count = 0;
  const bool was_read = fork_on(load_.hosts(), host, [&] {
                          const auto book = Book::observe(load_.daemons().book());
                          require(static_cast<bool>(book), "no book");
                          auto reader = book->read_log({}, Level::memory);
                          require(static_cast<bool>(reader), "no reader of the log");
                          HistoryWitness log;
                          require(static_cast<bool>(log.take_all(*reader)), "an unreadable log");
                          require(log.log().size() <= kRecordsMax, "more records than foreseen");
                          std::memcpy(log_->records.data(), log.log().data(),
                                      log.log().size() * sizeof(WitnessRecord));
                          log_->count = log.log().size();
                        }).succeeded();
  EXPECT_TRUE(was_read) << "host " << host;
  std::vector<WitnessRecord> log(log_->count);
  std::memcpy(log.data(), log_->records.data(), log.size() * sizeof(WitnessRecord));
  return log;
}

namespace {

// Without leases: a log that begins late does not know whose lies where.
std::string first_difference(const std::vector<WitnessRecord>& whole,
                             const std::vector<WitnessRecord>& part) {
  if (part.size() > whole.size()) return "it has more";
  const size_t missing = whole.size() - part.size();
  for (size_t i = 0; i < part.size(); ++i) {
    const WitnessRecord &a = whole[missing + i], &b = part[i];
    if (a.position != b.position || a.kind != b.kind || a.id != b.id || a.amount != b.amount ||
        a.account != b.account || a.from != b.from || a.token != b.token)
      return "at " + std::to_string(a.position) + " and " + std::to_string(b.position);
  }
  return "";
}

bool is_whole(const std::vector<WitnessRecord>& log) {
  return !log.empty() && Position{log.front().position}.lsn() == 1;
}

}  // namespace

std::optional<std::vector<std::string>> HistoryCluster::problems() {
  heal();
  load_.expect_sound({.is_quorum_kept = true});
  std::vector<std::vector<WitnessRecord>> logs;
  for (uint32_t host = 1; host <= count(); ++host) logs.push_back(log_of(host));
  const auto witness = std::find_if(logs.begin(), logs.end(), is_whole);
  if (witness == logs.end()) return std::nullopt;
  std::vector<std::string> problems =
      check_history(world_->board.calls(), *witness, account(0).index);
  for (uint32_t host = 1; host <= count(); ++host) {
    const std::string difference = first_difference(*witness, logs[host - 1]);
    if (!difference.empty())
      problems.push_back("the log of host " + std::to_string(host) + " differs: " + difference);
  }
  if (world_->unexpected != 0) problems.push_back("there was an answer that must not be");
  return problems;
}

}  // namespace casbook::test_support
