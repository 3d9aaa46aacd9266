// The configuration file of `casbook serve` for one host of a cluster.
#pragma once

#include <string>

#include "support/hosts/hosts.h"

namespace casbook::test_support {

// Every process that attaches, and every look at a book, enters all of its pages into its own page
// table: what is not needed is paid for many times.
inline std::string small_arena(uint64_t payments = 100'000, uint64_t records = 4096) {
  return "accounts = 64\npayments = " + std::to_string(payments) +
         "\nrecords = " + std::to_string(records) + "\nleases = 32\nledgers = 4\nsessions = 16\n";
}

struct ClusterPlan {
  std::string id = "test", book = "b";
  std::string key_file{};             // the same on all hosts
  std::string arena = small_arena();  // lines of its section, the same on all hosts
  std::string more{};                 // further sections; those of the journal are below
  std::string cluster{};              // further lines of the cluster's
  uint32_t members = 0;               // the first so many hosts, the others join; 0: all
  std::string segment = "64MiB";
  std::string mode = "multicast";
  uint32_t election_timeout_ms = 150, heartbeat_ms = 30, mtu = 1500;
};

constexpr uint32_t kClusterPort = 7400, kGroupPort = 7401;
constexpr const char* kClusterGroup = "239.192.7.1";

inline std::string cluster_address(uint32_t host) {
  return Hosts::address(host) + ":" + std::to_string(kClusterPort);
}

inline std::string cluster_config(const Hosts& hosts, uint32_t host, const ClusterPlan& plan) {
  const auto quoted = [](const std::string& text) { return "\"" + text + "\"\n"; };
  std::string nodes;
  const uint32_t members = plan.members ? plan.members : hosts.count();
  const bool is_joining = host > members;
  for (uint32_t node = 1; node <= hosts.count(); ++node)
    if (node <= members || node == host)
      nodes += (node > 1 ? ", {id = " : "{id = ") + std::to_string(node) + ", address = \"" +
               cluster_address(node) + "\"}";
  return "book = " + quoted(plan.book) + "[arena]\ndirectory = \"/dev/shm\"\n" + plan.arena +
         "[journal]\ndirectory = " + quoted(hosts.disk(host) + "/journal") +
         "segment = " + quoted(plan.segment) + plan.more + "[cluster]\nid = " + quoted(plan.id) +
         "node = " + std::to_string(host) + "\nnodes = [" + nodes +
         "]\ngroup = " + quoted(std::string(kClusterGroup) + ":" + std::to_string(kGroupPort)) +
         "mode = " + quoted(plan.mode) + "key_file = " + quoted(plan.key_file) +
         "election_timeout = \"" + std::to_string(plan.election_timeout_ms) +
         "ms\"\nheartbeat = \"" + std::to_string(plan.heartbeat_ms) + "ms\"" +
         "\nmtu = " + std::to_string(plan.mtu) + "\n" + (is_joining ? "join = true\n" : "") +
         plan.cluster;
}

}  // namespace casbook::test_support
