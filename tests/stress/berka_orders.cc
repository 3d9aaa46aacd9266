// Real payments: a bank's standing orders of two years, sent twice by processes some of which are
// killed on the way. Each final balance is compared with a sum that casbook has no part in.
//
// The data are those of the Berka set: order.asc, "order_id";"account_id";"bank_to";"account_to";
// "amount";"k_symbol", and account.asc. CASBOOK_DATA names the folder that holds berka/;
// CASBOOK_SEED draws the kills again.
#include <fstream>
#include <map>
#include <random>
#include <set>

#include <signal.h>

#include <gtest/gtest.h>

#include <casbook/casbook.h>

#include "support/child_process.h"
#include "support/command.h"
#include "support/command_workers.h"
#include "support/random.h"

namespace casbook {
namespace {

using nlohmann::json;
using test_support::CommandBench;
using test_support::Ended;
using test_support::Started;
using test_support::Words;

constexpr size_t kOrders = 6'471;
constexpr size_t kAccounts = 4'500;
constexpr uint32_t kMonths = 24;
constexpr uint64_t kPayments = kOrders * kMonths;
constexpr uint32_t kKillsPlanned = 8;
constexpr int kKillsMin = 3;  // some find their victim just ended
// A worker that is killed again and again before its first answer is given up, and rightly.
constexpr int64_t kVictimAgeNsMin = 50'000'000;

struct StandingOrder {
  std::string id, payer, payee, amount;
};

std::string data_folder() {
  const char* named = std::getenv("CASBOOK_DATA");
  return std::string(named ? named : CASBOOK_DATA_DIR) + "/berka/";
}

// Lines after the first, cut at semicolons, without quotes: no field of this set holds either.
std::vector<Words> read_rows(const std::string& path) {
  std::vector<Words> rows;
  std::ifstream file(path);
  std::string line;
  for (bool is_header = true; std::getline(file, line); is_header = false) {
    if (is_header) continue;
    Words fields(1);
    for (const char c : line) {
      if (c == ';')
        fields.emplace_back();
      else if (c != '"' && c != '\r')
        fields.back() += c;
    }
    rows.push_back(std::move(fields));
  }
  return rows;
}

std::vector<StandingOrder> read_orders() {
  std::vector<StandingOrder> orders;
  for (const Words& row : read_rows(data_folder() + "order.asc"))
    orders.push_back({row.at(0), row.at(1), row.at(2) + row.at(3), row.at(4)});
  return orders;
}

// "2452.00" is 245200; every amount of the set has two decimals.
int64_t hundredths(const std::string& amount) {
  const size_t point = amount.find('.');
  return std::stoll(amount.substr(0, point) + amount.substr(point + 1));
}

std::string payment_name(const StandingOrder& order, uint32_t month) {
  const uint32_t in_year = month % 12 + 1;
  return order.id + "/" + std::to_string(1997 + month / 12) + (in_year < 10 ? "-0" : "-") +
         std::to_string(in_year);
}

class BerkaOrders : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::ifstream(data_folder() + "order.asc"))
      GTEST_SKIP() << "no data in " << data_folder() << ": set CASBOOK_DATA to the folder above";
    orders_ = read_orders();
    ASSERT_EQ(orders_.size(), kOrders);
    for (const StandingOrder& order : orders_) {
      expected_[order.payer] -= kMonths * hundredths(order.amount);
      expected_[order.payee] += kMonths * hundredths(order.amount);
    }
    for (const Words& row : read_rows(data_folder() + "account.asc")) expected_[row.at(0)] += 0;
    create_book();
    write_payments();
  }

  // The bank's accounts are open; those that it pays to are left to --open-accounts.
  void create_book() {
    const Words create{"create",     "berka",  "--accounts", std::to_string(expected_.size()),
                       "--payments", "160000", "--leases",   "1"};
    const Ended created = bench_.run(create);
    ASSERT_EQ(created.exit_code, 0) << created.err;
    ASSERT_EQ(bench_.run({"ledger", "open", "berka", "CZK", "--scale", "2"}).exit_code, 0);
    auto book = Book::attach("berka", bench_.directory());
    ASSERT_TRUE(book);
    auto session = book->open_session();
    ASSERT_TRUE(session);
    size_t opened = 0;
    for (const Words& row : read_rows(data_folder() + "account.asc")) {
      ASSERT_TRUE(session->open_account({*ExternalId::parse(row.at(0))}, {.ledger = "CZK"}));
      ++opened;
    }
    ASSERT_EQ(opened, kAccounts);
  }

  void write_payments() {
    std::ofstream file(csv_);
    file << "payment_id,debit_account,credit_account,amount,ledger\n";
    for (uint32_t month = 0; month < kMonths; ++month)
      for (const StandingOrder& order : orders_)
        file << payment_name(order, month) << ',' << order.payer << ',' << order.payee << ','
             << order.amount << ",CZK\n";
  }

  Words apply_words() const {
    return bench_.words({"apply", "berka", csv_, "--processes", "4", "--open-accounts", "--json"});
  }

  // Kills a worker whenever the book has got as far as a number drawn beforehand.
  Ended apply_with_kills(uint64_t seed) {
    test::Random random(seed);
    std::set<uint64_t> when;
    while (when.size() < kKillsPlanned) when.insert(random.below(kPayments * 9 / 10));
    auto book = Book::observe("berka", bench_.directory());
    if (!book) return {};
    const uint64_t start = book->position().lsn();
    Started run(bench_.program(), apply_words());
    std::map<pid_t, int64_t> seen_ns;
    while (!run.has_ended()) {
      auto workers = test_support::workers_of(run.pid());
      const int64_t now_ns = test_support::monotonic_ns();
      std::erase_if(workers, [&](const auto& worker) {
        return now_ns - seen_ns.try_emplace(worker.pid, now_ns).first->second < kVictimAgeNsMin;
      });
      const uint64_t done = book->position().lsn() - start;
      const bool is_time = !when.empty() && done >= *when.begin();
      if (is_time && !workers.empty()) {
        kill(workers[random.below(workers.size())].pid, SIGKILL);
        // One for all that were passed: struck at every look, none would get to its first answer.
        when.erase(when.begin(), when.upper_bound(done));
      }
      test_support::sleep_us(200);
    }
    return run.wait();
  }

  void expect_final_balances(const Book& book) const {
    auto snapshot = book.snapshot();
    ASSERT_TRUE(snapshot);
    ASSERT_EQ(snapshot->accounts.size(), expected_.size());
    std::map<uint32_t, Amount> available;
    for (const AccountBalance& line : snapshot->accounts)
      available[line.account.index] = line.available;
    for (const auto& [id, sum] : expected_) {
      auto account = book.find_account({*ExternalId::parse(id)});
      ASSERT_TRUE(account) << id;
      ASSERT_EQ(available.at(account->index), sum) << id;
    }
  }

  void expect_each_payment_executed(const Book& book) const {
    for (const StandingOrder& order : orders_)
      for (uint32_t month = 0; month < kMonths; ++month) {
        auto payment = book.lookup({*ExternalId::parse(payment_name(order, month))});
        ASSERT_TRUE(payment && payment->executed) << payment_name(order, month);
      }
  }

  CommandBench bench_{CASBOOK_COMMAND};
  std::string csv_ = bench_.directory() + "/orders.csv";
  std::vector<StandingOrder> orders_;
  std::map<std::string, int64_t> expected_;  // by account
};

TEST_F(BerkaOrders, TwoYearsArePaidOnceThoughSentTwiceByWorkersThatAreKilled) {
  const char* given = std::getenv("CASBOOK_SEED");
  const uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device()();
  SCOPED_TRACE("CASBOOK_SEED=" + std::to_string(seed) + " draws the same kills");

  const Ended first = apply_with_kills(seed);
  ASSERT_EQ(first.exit_code, 0) << first.out << first.err;
  const json summary = first.object();
  EXPECT_EQ(summary.at("rows"), kPayments);
  EXPECT_GE(summary.at("workers_killed"), kKillsMin);
  const auto executed = summary.at("executed").get<uint64_t>();
  const auto replayed = summary.at("replayed").get<uint64_t>();
  EXPECT_EQ(executed + replayed, kPayments);
  // Sent before, by a worker that was killed before it noted the answer.
  EXPECT_LE(replayed, summary.at("workers_killed").get<uint64_t>());

  const Ended second = Started(bench_.program(), apply_words()).wait();
  ASSERT_EQ(second.exit_code, 0) << second.out << second.err;
  EXPECT_EQ(second.object().at("replayed"), kPayments);

  auto book = Book::observe("berka", bench_.directory());
  ASSERT_TRUE(book);
  expect_final_balances(*book);
  expect_each_payment_executed(*book);
  auto audit = book->audit();
  ASSERT_TRUE(audit);
  EXPECT_TRUE(audit->ok) << (audit->problems.empty() ? "" : audit->problems.front());
  EXPECT_EQ(audit->accounts, expected_.size());
}

}  // namespace
}  // namespace casbook
