// A scrape over the loopback interface, as Prometheus does it.
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arena/duration_line.h"
#include "base/clock.h"
#include "daemon/metrics.h"
#include "log/durable.h"
#include "support/cluster_book.h"
#include "support/id_table.h"
#include "support/small_book.h"

namespace casbook::daemon {
namespace {

using namespace test_support;
using testing::HasSubstr;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

std::string get(int port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(port);
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = "GET " + path + " HTTP/1.0\r\nHost: localhost\r\n\r\n";
    EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    char piece[4096];
    for (ssize_t bytes; (bytes = read(fd, piece, sizeof piece)) > 0;)
      answer.append(piece, static_cast<size_t>(bytes));
  }
  close(fd);
  return answer;
}

class DaemonMetrics : public testing::Test {
 protected:
  const arena::Mapping& mapping() { return below_.store.mapping(); }
  arena::JournalLines& lines() { return mapping().journal(); }
  void adopt_journal() { below_.store.control().journal.lo.initialise(7); }
  std::unique_ptr<MetricsServer> serve() {
    return must(MetricsServer::open("localhost:0", book_.book, mapping()));
  }
  // From "name{labels}" to its value as text.
  std::map<std::string, std::string> scrape() {
    const auto server = serve();
    std::map<std::string, std::string> figures;
    std::istringstream text(get(server->port(), "/metrics"));
    for (std::string line; std::getline(text, line);) {
      if (line.starts_with("#") || !line.starts_with("casbook_")) continue;
      if (line.ends_with('\r')) line.pop_back();
      const size_t blank = line.rfind(' ');
      figures[line.substr(0, blank)] = line.substr(blank + 1);
    }
    return figures;
  }

  SmallBook book_;
  IdTable below_{book_};
};

TEST_F(DaemonMetrics, CountsWhatHappenedInTheBook) {
  const Account rich = book_.open_with("rich", 100);
  const Account poor = book_.open("poor");
  must(book_.session.pay(Payment(payment_id(1)).debit(rich, 30).credit(poor, 30)));
  EXPECT_FALSE(book_.session.pay(Payment(payment_id(2)).debit(poor, 31).credit(rich, 31)));
  must(book_.session.try_acquire("work", {.ttl = std::chrono::hours(1)}));
  auto figures = scrape();
  EXPECT_EQ(figures["casbook_payments_total{book=\"book\"}"], "2");
  EXPECT_EQ(figures["casbook_denials_total{book=\"book\"}"], "1");
  EXPECT_EQ(figures["casbook_leases_held{book=\"book\"}"], "1");
  EXPECT_EQ(figures["casbook_sessions{book=\"book\"}"], "1");
  const BookActivity activity = book_.book.activity();
  EXPECT_EQ(figures["casbook_commits_total{book=\"book\"}"], std::to_string(activity.commits));
  EXPECT_EQ(figures["casbook_committed_lsn{book=\"book\"}"],
            std::to_string(activity.position.lsn()));
  EXPECT_EQ(figures["casbook_term{book=\"book\"}"], "1");
  EXPECT_EQ(figures["casbook_ring_records{book=\"book\"}"], std::to_string(activity.records_held));
}

TEST_F(DaemonMetrics, TellsHowFarTheJournalIs) {
  book_.open_with("a", 1);
  must(book_.book.follow("journal", FullPolicy::refuse_payments));
  adopt_journal();
  log::publish_durable(below_.store, {book_.book.position().value - 1});
  lines().state.store_relaxed(static_cast<uint64_t>(arena::JournalState::no_space));
  lines().segments.store_relaxed(3);
  lines().journal_bytes.store_relaxed(3 << 20);
  lines().checkpoint_ms.store_relaxed(static_cast<uint64_t>(base::wall_clock_ms() - 60'000));
  lines().checkpoint_position.store_relaxed(Position::of(1, 5).value);
  lines().checkpoint_took_ms.store_relaxed(1500);
  auto figures = scrape();
  EXPECT_EQ(figures["casbook_durable_lsn{book=\"book\"}"],
            std::to_string(book_.book.position().lsn() - 1));
  EXPECT_EQ(figures["casbook_durable_lag_records{book=\"book\"}"], "1");
  EXPECT_EQ(figures["casbook_follower_lag_records{book=\"book\",follower=\"journal\"}"], "0");
  EXPECT_EQ(figures["casbook_follower_alive{book=\"book\",follower=\"journal\"}"], "1");
  EXPECT_EQ(figures["casbook_journal_state{book=\"book\",state=\"no_space\"}"], "1");
  EXPECT_EQ(figures["casbook_journal_state{book=\"book\",state=\"serving\"}"], "0");
  EXPECT_EQ(figures["casbook_journal_segments{book=\"book\"}"], "3");
  EXPECT_EQ(figures["casbook_journal_bytes{book=\"book\"}"], "3145728");
  EXPECT_EQ(figures["casbook_checkpoint_lsn{book=\"book\"}"], "5");
  EXPECT_EQ(figures["casbook_checkpoint_duration_seconds{book=\"book\"}"], "1.5");
  EXPECT_NEAR(std::stod(figures["casbook_checkpoint_age_seconds{book=\"book\"}"]), 60, 30);
}

TEST_F(DaemonMetrics, OfAClusterCountsWhatIsDroppedAndRefused) {
  announce_leading(below_.store, 1);
  arena::ReplicationLines& replication = mapping().replication();
  replication.dropped_newer.store_relaxed(4);
  replication.refused_disks.store_relaxed(5);
  auto figures = scrape();
  EXPECT_EQ(figures["casbook_dropped_datagrams_total{book=\"book\",reason=\"newer\"}"], "4");
  EXPECT_EQ(figures["casbook_refused_disks_total{book=\"book\"}"], "5");
}

TEST_F(DaemonMetrics, WithoutACheckpointNothingHasAnAge) {
  const auto figures = scrape();
  EXPECT_EQ(figures.count("casbook_checkpoint_age_seconds{book=\"book\"}"), 0u);
  EXPECT_EQ(figures.count("casbook_checkpoint_failures_total{book=\"book\"}"), 1u);
}

TEST_F(DaemonMetrics, DurationsAreAHistogramOfSeconds) {
  using std::chrono::microseconds;
  for (const int us : {0, 1, 3, 3, 1000, 20'000'000})
    arena::add_duration(lines().sync, microseconds(us));
  auto figures = scrape();
  const auto below = [&](const char* bound) {
    return figures["casbook_journal_sync_seconds_bucket{book=\"book\",le=\"" + std::string(bound) +
                   "\"}"];
  };
  EXPECT_EQ(below("1e-06"), "1");
  EXPECT_EQ(below("2e-06"), "2");
  EXPECT_EQ(below("4e-06"), "4");
  EXPECT_EQ(below("0.000512"), "4");
  EXPECT_EQ(below("0.001024"), "5");
  EXPECT_EQ(below("4.194304"), "5");
  EXPECT_EQ(below("+Inf"), "6");
  EXPECT_EQ(figures["casbook_journal_sync_seconds_count{book=\"book\"}"], "6");
  EXPECT_EQ(figures["casbook_journal_sync_seconds_sum{book=\"book\"}"], "20.001007");
  EXPECT_EQ(figures["casbook_durable_wait_seconds_count{book=\"book\"}"], "0");
}

TEST_F(DaemonMetrics, PaymentsAreAHistogramInFinerUnits) {
  using std::chrono::nanoseconds;
  for (const int ns : {31, 32, 63, 64, 1'000'000})
    arena::add_duration(mapping().commit_times().pay, nanoseconds(ns), arena::kCommitTimeUnit);
  auto figures = scrape();
  const auto below = [&](const char* bound) {
    return figures["casbook_payment_seconds_bucket{book=\"book\",le=\"" + std::string(bound) +
                   "\"}"];
  };
  EXPECT_EQ(below("3.2e-08"), "1");
  EXPECT_EQ(below("6.4e-08"), "3");
  EXPECT_EQ(below("1.28e-07"), "4");
  EXPECT_EQ(below("0.000524288"), "4");
  EXPECT_EQ(below("0.001048576"), "5");
  EXPECT_EQ(below("+Inf"), "5");
  EXPECT_EQ(figures["casbook_payment_seconds_sum{book=\"book\"}"], "0.001000128");
}

TEST_F(DaemonMetrics, EveryFigureHasAHelpText) {
  const auto server = serve();
  const std::string text = get(server->port(), "/metrics");
  EXPECT_THAT(text, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(text, HasSubstr("# HELP casbook_payments_total Payments executed\n"
                              "# TYPE casbook_payments_total counter\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE casbook_sessions gauge\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE casbook_journal_sync_seconds histogram\n"));
}

TEST_F(DaemonMetrics, AnAddressInUseIsAClearError) {
  const int taken = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t bytes = sizeof address;
  ASSERT_EQ(bind(taken, reinterpret_cast<sockaddr*>(&address), bytes), 0);
  ASSERT_EQ(listen(taken, 1), 0);
  ASSERT_EQ(getsockname(taken, reinterpret_cast<sockaddr*>(&address), &bytes), 0);
  const std::string text = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  const auto opened = MetricsServer::open(text, book_.book, mapping());
  ASSERT_EQ(code_of(opened), Code::io_error);
  EXPECT_EQ(opened.error().detail, "cannot listen at " + text + ": Address already in use");
  close(taken);
  EXPECT_TRUE(MetricsServer::open(text, book_.book, mapping()));
}

TEST_F(DaemonMetrics, OnlyTheLoopbackInterfaceIsServed) {
  for (const char* address : {"0.0.0.0:0", "10.0.0.1:9464", "[::]:9464", "example.org:80", ""})
    EXPECT_EQ(code_of(MetricsServer::open(address, book_.book, mapping())), Code::bad_argument);
  EXPECT_TRUE(MetricsServer::open("127.1.2.3:0", book_.book, mapping()));
}

}  // namespace
}  // namespace casbook::daemon
