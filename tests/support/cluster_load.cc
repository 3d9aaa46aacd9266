#include "support/cluster_load.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "replicate/key_file.h"
#include "support/cluster_payer.h"

namespace casbook::test_support {

ClusterLoad::ClusterLoad(uint32_t hosts, uint64_t seed)
    : hosts_({.count = hosts, .seed = seed}), payers_(hosts) {}

void ClusterLoad::make_daemons(ClusterPlan plan) {
  if (plan.arena.empty())
    plan.arena =
        "accounts = 64\npayments = 400000\nrecords = 4096\nleases = 32\nledgers = 4\n"
        "sessions = 16\n";
  plan.key_file = "cluster.key";  // in the folder of each
  require(static_cast<bool>(replicate::write_new_key(key_file(1))), "no key");
  for (uint32_t host = 2; host <= count(); ++host)
    std::filesystem::copy_file(key_file(1), key_file(host));
  daemons_.emplace(hosts_, CASBOOK_COMMAND_INSTRUMENTED, plan);
}

void ClusterLoad::start_payers() {
  truth_->must_stop = 0;
  for (uint32_t host = 1; host <= count(); ++host)
    payers_[host - 1].emplace(
        fork_on(hosts_, host, [&, host] { pay_on_host(host, daemons_->book(), *truth_); }));
}

void ClusterLoad::stop_payers() {
  truth_->must_stop = 1;
  for (auto& payer : payers_) {
    if (!payer) continue;
    EXPECT_TRUE(await([&] { return payer->has_ended(); })) << "a payer does not end";
    payer.reset();
  }
}

bool ClusterLoad::await_progress(uint64_t payments, int seconds) {
  std::array<uint64_t, kClients> before;
  for (uint32_t client = 0; client < kClients; ++client)
    before[client] = truth_->clients[client].reached;
  return await(
      [&] {
        for (uint32_t client = 0; client < kClients; ++client)
          if (truth_->clients[client].reached < before[client] + payments) return false;
        return true;
      },
      seconds);
}

HostView ClusterLoad::look(uint32_t host) const {
  HostView& view = (*views_)[host - 1];
  view = {};
  fork_on(hosts_, host, [&] {
    const auto book = Book::observe(daemons_->book());
    if (!book) return;
    const BookStatus status = book->status();
    const ClusterStatus& cluster = status.cluster;
    view = {.leader = cluster.leader,
            .term = cluster.leader_term,
            .position = status.position.value,
            .durable = cluster.durable.value,
            .datagram_bytes = cluster.datagram_bytes,
            .dropped_forged = cluster.dropped_forged,
            .dropped_newer = cluster.dropped_newer,
            .is_there = true,
            .follows = cluster.role == "following",
            .leads = cluster.leads};
  }).wait();
  return view;
}

uint32_t ClusterLoad::leader() const {
  std::array<uint32_t, kHostsMax + 1> votes{};
  for (uint32_t host = 1; host <= count(); ++host) {
    const HostView view = look(host);
    if (view.is_there && view.leader <= count()) ++votes[view.leader];
  }
  for (uint32_t host = 1; host <= count(); ++host)
    if (2 * votes[host] > count() && look(host).leads) return host;
  return 0;
}

bool ClusterLoad::await_leader(int seconds) const {
  return await([&] { return leader() != 0; }, seconds);
}

bool ClusterLoad::await_caught_up(uint32_t host, int seconds) const {
  uint64_t position = 0;
  for (uint32_t other = 1; other <= count(); ++other)
    position = std::max(position, look(other).durable);
  return await(
      [&] {
        const HostView view = look(host);
        if (view.is_there && view.leader != 0 && (view.follows || view.leads) &&
            view.durable >= position)
          return true;
        sleep_us(5000);
        return false;
      },
      seconds);
}

bool ClusterLoad::await_equal_positions() {
  return await(
      [&] {
        for (uint32_t host = 1; host <= count(); ++host)
          fork_on(hosts_, host, [&] {
            look_on_host(daemons_->book(), (*reports_)[host - 1]);
          }).wait();
        const HostReport& first = (*reports_)[0];
        for (uint32_t host = 1; host <= count(); ++host)
          if ((*reports_)[host - 1].position != first.position ||
              (*reports_)[host - 1].durable != first.position || first.position == 0)
            return sleep_us(50'000), false;
        return true;
      },
      30);
}

void ClusterLoad::expect_sound() {
  ASSERT_TRUE(await_equal_positions()) << events();
  for (uint32_t host = 1; host <= count(); ++host) {
    HostReport& report = (*reports_)[host - 1];
    EXPECT_TRUE(fork_on(hosts_, host, [&] {
                  check_on_host(daemons_->book(), *truth_, {.is_quorum_kept = true}, report);
                }).succeeded());
    EXPECT_TRUE(report.is_sound()) << "host " << host << "\n" << report.text;
    EXPECT_EQ(report.digest, (*reports_)[0].digest) << "hosts " << host << " and 1 differ";
  }
  for (size_t lie = 0; lie < truth_->lies.size(); ++lie)
    EXPECT_EQ(truth_->lies[lie], 0u) << kLieNames[lie];
  if (testing::Test::HasFailure()) std::printf("%s", events().c_str());
}

std::string ClusterLoad::events() const {
  std::string text;
  for (uint32_t host = 1; host <= count(); ++host) text += daemons_->last_events(host, 30);
  return text;
}

GapWatch::GapWatch(const ClusterTruth& truth)
    : watcher_([&] {
        for (uint64_t seen = 0;;) {
          const int64_t since_ns = monotonic_ns();
          while (truth.reached() == seen) sleep_us(200);
          seen = truth.reached();
          const int64_t gap_ns = monotonic_ns() - since_ns;
          if (gap_ns > longest_ns_->load()) *longest_ns_ = gap_ns;
        }
      }) {}

}  // namespace casbook::test_support
