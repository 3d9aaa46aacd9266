#include "support/history_cluster.h"

#include <algorithm>

namespace casbook::test_support {
namespace {

using namespace std::chrono_literals;

constexpr int kPatienceSeconds = 30;

ClusterPlan plan(uint32_t members) {
  ClusterPlan plan;
  plan.members = members;
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

HistoryCluster::HistoryCluster(uint32_t hosts, uint64_t seed, uint32_t members)
    : founders_(members), load_({.count = hosts, .seed = seed}) {}

bool HistoryCluster::begin(uint32_t accounts) {
  load_.make_daemons(plan(founders_));
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

std::vector<uint32_t> HistoryCluster::ask(uint32_t leader, std::vector<std::string> words) {
  words.insert(words.begin() + 1, load_.daemons().book());
  words.insert(words.begin(), "cluster");
  words.insert(words.end(), {"--json", "--timeout", "2s"});
  const Ended ended = start_on(load_.hosts(), leader, CASBOOK_COMMAND_INSTRUMENTED, words)->wait();
  std::vector<uint32_t> ids;
  if (ended.exit_code != 0) return ids;
  const nlohmann::json answer = ended.object();
  for (const auto& member : answer.at("members")) ids.push_back(member.at("id").get<uint32_t>());
  return ids;
}

bool HistoryCluster::hand_over(uint32_t leader) { return !ask(leader, {"transfer"}).empty(); }

bool HistoryCluster::add(uint32_t leader, uint32_t host) {
  return !ask(leader, {"add", std::to_string(host), cluster_address(host)}).empty();
}

bool HistoryCluster::remove(uint32_t leader, uint32_t host) {
  return !ask(leader, {"remove", std::to_string(host)}).empty();
}

// To itself: nothing comes of it but the answer.
std::vector<uint32_t> HistoryCluster::members(uint32_t leader) {
  return ask(leader, {"transfer", std::to_string(leader)});
}

bool HistoryCluster::make_all_members() {
  return await(
      [&] {
        const uint32_t leader = load_.leader();
        if (leader == 0) return false;
        const std::vector<uint32_t> now = members(leader);
        if (now.size() == count()) return true;
        for (uint32_t host = 1; host <= count() && !now.empty(); ++host)
          if (std::ranges::find(now, host) == now.end()) return (void)add(leader, host), false;
        return false;
      },
      2 * kPatienceSeconds);
}

void HistoryCluster::heal() {
  load_.hosts().wire().heal();
  load_.daemons().start_all();
}

void HistoryCluster::take_logs() {
  for (uint32_t host = 1; host <= count(); ++host) take_log(host);
}

// As far as it can be read: the book may be moved meanwhile.
void HistoryCluster::take_log(uint32_t host) {
  log_->count = 0;
  fork_on(load_.hosts(), host, [&] {
    const auto book = Book::observe(load_.daemons().book());
    if (!book) return;
    auto reader = book->read_log({}, Level::durable);
    for (uint64_t i = 0; reader && i < kRecordsMax; ++i) {
      const auto next = reader->next();
      if (!next || !*next) return;
      const LoneRecord lone = lone_record(**next);
      std::memcpy(&log_->records[i * sizeof lone], &lone, sizeof lone);
      log_->count = i + 1;
    }
  }).wait();
  for (uint64_t i = 0; i < log_->count; ++i) {
    LoneRecord lone;
    std::memcpy(&lone, &log_->records[i * sizeof lone], sizeof lone);
    const Position position{lone.record.position};
    const auto [there, is_new] = records_.emplace(position.lsn(), lone);
    if (!is_new && there->second != lone)
      differences_.push_back("host " + std::to_string(host) + " has another record at " +
                             std::to_string(position.value) + " than there was at " +
                             std::to_string(there->second.record.position));
  }
}

std::optional<std::vector<std::string>> HistoryCluster::problems() {
  heal();
  load_.expect_sound({.is_quorum_kept = true});
  take_logs();
  if (records_.empty() || records_.rbegin()->first != records_.size()) return std::nullopt;
  HistoryWitness witness;
  for (const auto& [lsn, lone] : records_) witness.take(lone);
  std::vector<std::string> problems =
      check_history(world_->board.calls(), witness.log(), account(0).index);
  problems.insert(problems.end(), differences_.begin(), differences_.end());
  if (world_->unexpected != 0) problems.push_back("there was an answer that must not be");
  return problems;
}

}  // namespace casbook::test_support
