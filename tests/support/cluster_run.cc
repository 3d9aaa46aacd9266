#include "support/cluster_run.h"

#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "replicate/key_file.h"

namespace casbook::test_support {
namespace {

constexpr int kConvergenceSeconds = 30;

void look_here(const std::string& book_name, HostLook& look) {
  const auto book = Book::observe(book_name);
  if (!book) return;
  const ClusterStatus status = book->status().cluster;
  look = {.is_there = 1,
          .leads = status.leads,
          .follows = status.role == "following",
          .leader = status.leader,
          .leader_term = status.leader_term,
          .position = book->position().value,
          .durable = book->durable_position().value,
          .elections = status.elections,
          .datagram_bytes = status.datagram_bytes,
          .dropped_forged = status.dropped_forged,
          .dropped_foreign = status.dropped_foreign,
          .dropped_replayed = status.dropped_replayed,
          .dropped_malformed = status.dropped_malformed,
          .dropped_newer = status.dropped_newer,
          .refused_disks = status.refused_disks,
          .repair_bytes = status.repair_bytes};
}

}  // namespace

ClusterPlan patient_plan() {
  ClusterPlan plan;
  plan.segment = "4MiB";
  plan.election_timeout_ms = 500, plan.heartbeat_ms = 50;
  return plan;
}

ClusterRun::ClusterRun(const HostsOptions& options) : hosts_(options), payers_(options.count) {}

void ClusterRun::make_daemons(ClusterPlan plan) {
  plan.key_file = "cluster.key";  // in the folder of each
  require(static_cast<bool>(replicate::write_new_key(key_file(1))), "no key");
  for (uint32_t host = 2; host <= count(); ++host)
    std::filesystem::copy_file(key_file(1), key_file(host));
  daemons_.emplace(hosts_, CASBOOK_COMMAND_INSTRUMENTED, plan);
}

bool ClusterRun::begin() {
  daemons_->start_all();
  start_payers();
  return await_progress();
}

void ClusterRun::start_payers() {
  truth_->must_stop = 0;
  for (uint32_t host = 1; host <= count(); ++host)
    if (auto& payer = payers_[host - 1]; !payer)
      payer.emplace(fork_on(hosts_, host, [&, host] { pay_on_host(host, book(), *truth_); }));
}

HostLook ClusterRun::look(uint32_t host) {
  *look_ = {};
  fork_on(hosts_, host, [&] { look_here(book(), *look_); }).wait();
  return *look_;
}

uint32_t ClusterRun::leader() {
  uint32_t found = 0;
  uint64_t term = 0;
  for (uint32_t host = 1; host <= count(); ++host) {
    const HostLook seen = look(host);
    if (seen.leads && seen.leader_term > term) found = host, term = seen.leader_term;
  }
  return found;
}

uint32_t ClusterRun::await_leader(uint32_t former, int seconds) {
  uint32_t found = 0;
  await([&] { return (found = leader()) != 0 && found != former; }, seconds);
  return found == former ? 0 : found;
}

bool ClusterRun::await_caught_up(uint32_t host, int seconds) {
  uint64_t position = 0;
  for (uint32_t other = 1; other <= count(); ++other)
    position = std::max(position, look(other).durable);
  return await(
      [&] {
        const HostLook seen = look(host);
        if (seen.is_there && seen.leader != 0 && (seen.follows || seen.leads) &&
            seen.durable >= position)
          return true;
        sleep_us(5000);
        return false;
      },
      seconds);
}

void ClusterRun::lose_memory(uint32_t host) {
  payers_[host - 1].reset();
  daemons_->kill(host);
  EXPECT_TRUE(hosts_.lose_memory(host));
}

void ClusterRun::end(Promise promise) {
  hosts_.wire().heal();
  daemons_->start_all();
  start_payers();
  ASSERT_TRUE(await_progress()) << "nobody pays any more\n" << all_events();
  stop_payers();
  expect_sound(promise);
}

void ClusterRun::expect_sound(Promise promise) {
  ASSERT_TRUE(await_equal_positions()) << positions() << all_events();
  check(promise);
  if (testing::Test::HasFailure()) std::printf("%s", all_events().c_str());
}

void ClusterRun::stop_payers() {
  truth_->must_stop = 1;
  for (auto& payer : payers_) {
    EXPECT_TRUE(!payer || await([&] { return payer->has_ended(); })) << "a payer does not end";
    payer.reset();
  }
}

bool ClusterRun::await_equal_positions() {
  return await(
      [&] {
        const HostLook first = look(1);
        for (uint32_t host = 1; host <= count(); ++host) {
          const HostLook seen = look(host);
          if (seen.position != first.position || seen.durable != first.position ||
              first.position == 0)
            return sleep_us(20'000), false;
        }
        return true;
      },
      kConvergenceSeconds);
}

void ClusterRun::check(Promise promise) {
  for (uint32_t host = 1; host <= count(); ++host) {
    HostReport& report = (*reports_)[host - 1];
    EXPECT_TRUE(on_host(host, [&] { check_on_host(book(), *truth_, promise, report); }));
    EXPECT_TRUE(report.is_sound()) << "host " << host << "\n" << report.text;
    EXPECT_EQ(report.digest, (*reports_)[0].digest) << "hosts " << host << " and 1 differ";
    EXPECT_EQ(report.executed, (*reports_)[0].executed);
    EXPECT_EQ(report.position, (*reports_)[0].position);
  }
  for (size_t lie = 0; lie < truth_->lies.size(); ++lie)
    EXPECT_EQ(truth_->lies[lie], 0u) << kLieNames[lie];
}

std::string ClusterRun::positions() {
  std::string text;
  for (uint32_t host = 1; host <= count(); ++host) {
    const HostLook seen = look(host);
    text += "host " + std::to_string(host) + ": position " + std::to_string(seen.position) +
            ", durable " + std::to_string(seen.durable) + "\n";
  }
  return text;
}

std::string ClusterRun::all_events(size_t lines) const {
  std::string text;
  for (uint32_t host = 1; host <= count(); ++host) text += daemons_->last_events(host, lines);
  return text;
}

}  // namespace casbook::test_support
