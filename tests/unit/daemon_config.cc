// The daemon's configuration: what is read, and what is refused with its place.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/config.h"
#include "support/scratch_directory.h"
#include "support/small_book.h"

namespace casbook::daemon {
namespace {

using std::chrono::milliseconds;
using test_support::code_of;
using test_support::must;
using testing::HasSubstr;

constexpr const char* kLeast = "book = \"till\"\n[journal]\ndirectory = \"/srv/till\"\n";

class DaemonConfig : public testing::Test {
 protected:
  std::string path() const { return directory_.path() + "/till.toml"; }
  Result<Config> read(const std::string& text) const {
    std::ofstream(path()) << text;
    return read_config(path());
  }
  std::string refusal(const std::string& text) const {
    const auto config = read(text);
    EXPECT_EQ(code_of(config), Code::bad_argument) << text;
    return config ? "" : config.error().detail;
  }

  test_support::ScratchDirectory directory_;
};

TEST_F(DaemonConfig, ABookAndAJournalAreEnough) {
  const Config config = must(read(kLeast));
  EXPECT_EQ(config.book, "till");
  EXPECT_EQ(config.journal.directory, "/srv/till");
  EXPECT_EQ(config.create.directory, "/dev/shm");
  EXPECT_EQ(config.create.accounts, CreateOptions{}.accounts);
  EXPECT_EQ(config.journal.segment_bytes, 64u << 20);
  EXPECT_EQ(config.metrics.address, "");
  EXPECT_EQ(config.log_level, "info");
}

TEST_F(DaemonConfig, EveryKeyIsRead) {
  const Config config = must(read(R"(
book = "till"
[arena]
directory = "/mnt/huge"
accounts = 1000
payments = 2000
window = "36h"
leases = 3
ledgers = 4
sessions = 5
records = 600
owner = "0"
group = "root"
mode = "0640"
[journal]
directory = "/srv/till"
segment = "8MiB"
flush_interval = "20ms"
direct = false
[checkpoint]
every_bytes = 1048576
every = "0s"
[metrics]
address = "[::1]:9464"
[log]
level = "warn"
)"));
  EXPECT_EQ(config.create.directory, "/mnt/huge");
  EXPECT_EQ(config.create.accounts, 1000u);
  EXPECT_EQ(config.create.payments, 2000u);
  EXPECT_EQ(config.create.window, std::chrono::hours(36));
  EXPECT_EQ(config.create.leases, 3u);
  EXPECT_EQ(config.create.ledgers, 4u);
  EXPECT_EQ(config.create.sessions, 5u);
  EXPECT_EQ(config.create.records, 600u);
  EXPECT_EQ(config.create.owner, 0u);
  EXPECT_EQ(config.create.group, 0u);
  EXPECT_EQ(config.create.mode, 0640u);
  EXPECT_EQ(config.journal.segment_bytes, 8u << 20);
  EXPECT_EQ(config.journal.flush_interval, milliseconds(20));
  EXPECT_FALSE(config.journal.direct);
  EXPECT_EQ(config.checkpoint.every_bytes, 1u << 20);
  EXPECT_EQ(config.checkpoint.every, milliseconds(0));
  EXPECT_EQ(config.metrics.address, "[::1]:9464");
  EXPECT_EQ(config.log_level, "warn");
}

TEST_F(DaemonConfig, ARefusalNamesFileLineKeyAndWhatWasExpected) {
  const std::pair<const char*, const char*> wrong[] = {
      {"[journal]\nsegments = \"8MiB\"\n",
       ":5: journal.segments: no such key; expected one of dir"},
      {"[log]\nlevel = 3\n", ":5: log.level: expected a text in quotes, got 3"},
      {"[arena]\naccounts = \"many\"\n",
       ":5: arena.accounts: expected a whole number, got \"many\""},
      {"[arena]\naccounts = -1\n", ":5: arena.accounts: expected a whole number, got -1"},
      {"[arena]\naccounts = 1.5\n", ":5: arena.accounts: expected a whole number"},
      {"[arena]\naccounts = 0\n", ":5: arena.accounts: expected 1 to 268435456, got 0"},
      {"[arena]\nsessions = 1025\n", ":5: arena.sessions: expected 1 to 1024, got 1025"},
      {"[arena]\nwindow = \"10\"\n", ":5: arena.window: expected a time like"},
      {"[arena]\nwindow = \"10ms\"\n", ":5: arena.window: expected 1s to 8784h, got 10ms"},
      {"[arena]\nmode = 640\n", ":5: arena.mode: expected an octal mode"},
      {"[arena]\nmode = \"0999\"\n", ":5: arena.mode: expected an octal mode"},
      {"[arena]\nowner = \"no such user\"\n", ":5: arena.owner: expected the name or number"},
      {"[checkpoint]\nevery_bytes = \"1GB\"\n", ":5: checkpoint.every_bytes: expected a size like"},
      {"[metrics]\naddress = \"0.0.0.0:9464\"\n",
       ":5: metrics.address: expected an address of the l"},
      {"[metrics]\naddress = \"127.0.0.1\"\n", ":5: metrics.address: expected an address of the l"},
      {"[metrics]\naddress = \"127.0.0.1:0\"\n",
       ":5: metrics.address: expected an address of the l"},
      {"[log]\nlevel = \"loud\"\n",
       ":5: log.level: expected debug, info, warn or error, got \"loud\""},
      {"[metric]\naddress = \"\"\n", ":4: metric: no such key; expected one of book, [arena], [jo"},
      {"[log\n", ":4: "},
  };
  for (const auto& [text, expected] : wrong) {
    const std::string whole = std::string(text).starts_with("[journal]")
                                  ? "book = \"till\"\n\n\n" + std::string(text)
                                  : kLeast + std::string(text);
    EXPECT_THAT(refusal(whole), HasSubstr(path() + expected)) << text;
  }
}

// A sound [cluster], with that line in place of the one of its key, or behind them.
std::string cluster_with(const std::string& line) {
  const std::string key = line.substr(0, line.find(" ="));
  std::string text = std::string(kLeast) + "[cluster]\n";
  bool is_placed = line.empty();
  for (const std::string sound :
       {"id = \"till\"", "node = 1",
        "nodes = [{id = 1, address = \"10.0.0.1:7400\"}, {id = 2, address = \"10.0.0.2:7400\"}, "
        "{id = 3, address = \"10.0.0.3:7400\"}]",
        "key_file = \"/etc/till.key\""}) {
    const bool is_replaced = !line.empty() && sound.starts_with(key + " =");
    text += (is_replaced ? line : sound) + "\n";
    is_placed |= is_replaced;
  }
  return is_placed ? text : text + line + "\n";
}
// Of hosts 10.0.0.1 to that; each with its address.
std::string list_of_nodes(std::initializer_list<std::pair<int, const char*>> nodes) {
  std::string list;
  for (const auto& [id, address] : nodes)
    list += (list.empty() ? "" : ", ") + std::string("{id = ") + std::to_string(id) +
            ", address = \"" + address + "\"}";
  return "nodes = [" + list + "]";
}

TEST_F(DaemonConfig, HostsOfAClusterAreRead) {
  EXPECT_FALSE(must(read(kLeast)).cluster.is_set());
  const ClusterConfig least = must(read(cluster_with(""))).cluster;
  EXPECT_TRUE(least.is_set());
  EXPECT_EQ(least.id, "till");
  EXPECT_EQ(least.node, 1u);
  ASSERT_EQ(least.nodes.size(), 3u);
  EXPECT_EQ(least.nodes[2].id, 3u);
  EXPECT_EQ(least.nodes[2].address, "10.0.0.3:7400");
  EXPECT_EQ(least.key_file, "/etc/till.key");
  EXPECT_TRUE(least.is_multicast);
  EXPECT_EQ(least.group, "239.192.7.1:7401");
  EXPECT_EQ(least.interface, "");
  EXPECT_EQ(least.election_timeout, milliseconds(150));
  EXPECT_EQ(least.heartbeat, milliseconds(30));
  EXPECT_EQ(least.mtu, 1500u);
  EXPECT_FALSE(least.is_joining);
  EXPECT_EQ(least.catch_up_bytes_per_second, 64u << 20);
  EXPECT_EQ(least.lag_soft_bytes, 16u << 20);
  EXPECT_EQ(least.lag_hard_bytes, 256u << 20);
  EXPECT_EQ(least.digest_bytes_per_second, 8u << 20);
  const ClusterConfig all =
      must(read(cluster_with("mode = \"unicast\"\ngroup = \"224.0.1.9:9\"\ninterface = \"eth7\"\n"
                             "election_timeout = \"60s\"\nheartbeat = \"20s\"\nmtu = 9000\n"
                             "join = true\ncatch_up_bytes_per_second = \"1MiB\"\n"
                             "lag_soft_bytes = \"2MiB\"\nlag_hard_bytes = \"3GiB\"\n"
                             "digest_bytes_per_second = 0")))
          .cluster;
  EXPECT_FALSE(all.is_multicast);
  EXPECT_EQ(all.group, "224.0.1.9:9");
  EXPECT_EQ(all.interface, "eth7");
  EXPECT_EQ(all.election_timeout, std::chrono::minutes(1));
  EXPECT_EQ(all.heartbeat, std::chrono::seconds(20)) << "a third of the election timeout";
  EXPECT_EQ(all.mtu, 9000u);
  EXPECT_TRUE(all.is_joining);
  EXPECT_EQ(all.catch_up_bytes_per_second, 1u << 20);
  EXPECT_EQ(all.lag_soft_bytes, 2u << 20);
  EXPECT_EQ(all.lag_hard_bytes, 3ull << 30);
  EXPECT_EQ(all.digest_bytes_per_second, 0u);
}

TEST_F(DaemonConfig, ARefusalOfAClusterNamesFileLineKeyAndWhatWasExpected) {
  const std::pair<const char*, const char*> wrong[] = {
      {"id = 7", ":5: cluster.id: expected a text in quotes, got 7"},
      {"id = \"\"", ":5: cluster.id: expected the name of the cluster"},
      {"id = \"0123456789012345678901234567890123456789012345678901234567890123x\"",
       ":5: cluster.id: expected up to 64 bytes, got 65"},
      {"node = \"1\"", ":6: cluster.node: expected a whole number, got \"1\""},
      {"node = 4", ":6: cluster.node: expected the id of one of cluster.nodes, got 4"},
      {"node = 0", ":6: cluster.node: expected the id of one of cluster.nodes, got 0"},
      {"key_file = 0", ":8: cluster.key_file: expected a text in quotes, got 0"},
      {"key_file = \"\"", ":8: cluster.key_file: expected a file made by casbook cluster keygen"},
      {"mode = \"broadcast\"",
       ":9: cluster.mode: expected \"multicast\" or \"unicast\", got \"broadcast\""},
      {"interface = 0", ":9: cluster.interface: expected a text in quotes, got 0"},
      {"group = \"10.0.0.9:7401\"", ":9: cluster.group: expected a multicast address with a port"},
      {"group = \"239.192.7.1\"", ":9: cluster.group: expected a multicast address with a port"},
      {"group = \"239.192.7.1:0\"", ":9: cluster.group: expected a multicast address with a port"},
      {"group = \"224.0.0.251:7401\"",
       ":9: cluster.group: expected a multicast address with a port"},
      {"election_timeout = 150", ":9: cluster.election_timeout: expected a time like"},
      {"election_timeout = \"49ms\"",
       ":9: cluster.election_timeout: expected 50ms to 1m, got 49ms"},
      {"election_timeout = \"61s\"", ":9: cluster.election_timeout: expected 50ms to 1m, got 61s"},
      {"heartbeat = \"4ms\"", ":9: cluster.heartbeat: expected 5ms to 50ms, got 4ms"},
      {"heartbeat = \"51ms\"", ":9: cluster.heartbeat: expected 5ms to 50ms, got 51ms"},
      {"mtu = \"1500\"", ":9: cluster.mtu: expected a whole number, got \"1500\""},
      {"mtu = 575", ":9: cluster.mtu: expected 576 to 65535, got 575"},
      {"mtu = 65536", ":9: cluster.mtu: expected 576 to 65535, got 65536"},
      {"join = 1", ":9: cluster.join: expected true or false, got 1"},
      {"join = \"yes\"", ":9: cluster.join: expected true or false, got \"yes\""},
      {"catch_up_bytes_per_second = \"64MB\"",
       ":9: cluster.catch_up_bytes_per_second: expected a size like \"64MiB\", got \"64MB\""},
      {"catch_up_bytes_per_second = -1",
       ":9: cluster.catch_up_bytes_per_second: expected a size like \"64MiB\", got -1"},
      {"lag_soft_bytes = true", ":9: cluster.lag_soft_bytes: expected a size like"},
      {"lag_soft_bytes = 65535",
       ":9: cluster.lag_soft_bytes: expected 64KiB to 1TiB, got 65535B"},
      {"lag_soft_bytes = \"512MiB\"",
       ": cluster.lag_hard_bytes: expected 512MiB to 1TiB, got 256MiB"},
      {"lag_hard_bytes = \"8MiB\"",
       ":9: cluster.lag_hard_bytes: expected 16MiB to 1TiB, got 8MiB"},
      {"lag_hard_bytes = \"1025GiB\"",
       ":9: cluster.lag_hard_bytes: expected 16MiB to 1TiB, got 1025GiB"},
      {"digest_bytes_per_second = \"8MB\"",
       ":9: cluster.digest_bytes_per_second: expected a size like"},
      {"digest_bytes_per_second = \"1025MiB\"",
       ":9: cluster.digest_bytes_per_second: expected 0B to 1GiB, got 1025MiB"},
      {"keyfile = \"/etc/till.key\"", ":9: cluster.keyfile: no such key; expected one of id, node"},
  };
  for (const auto& [line, expected] : wrong)
    EXPECT_THAT(refusal(cluster_with(line)), HasSubstr(path() + expected)) << line;
  for (const char* line :
       {"mtu = 576", "mtu = 65535", "heartbeat = \"5ms\"", "heartbeat = \"50ms\"",
        "election_timeout = \"90ms\"", "group = \"239.255.255.255:65535\"",
        "lag_soft_bytes = 65536", "lag_hard_bytes = \"16MiB\"", "lag_hard_bytes = \"1TiB\"",
        "digest_bytes_per_second = \"1GiB\"", "catch_up_bytes_per_second = 0"})
    EXPECT_EQ(code_of(read(cluster_with(line))), test_support::kDone) << line;
}

TEST_F(DaemonConfig, NodesAreThreeOrFiveThatDiffer) {
  const char *one = "10.0.0.1:7400", *two = "10.0.0.2:7400", *three = "10.0.0.3:7400";
  const std::pair<std::string, const char*> wrong[] = {
      {"nodes = 3", "expected a list of {id, address}, got 3"},
      {"nodes = [1, 2, 3]", "expected {id, address}, like {id = 1, address = \"10.0.0.1:7400\"}"},
      {"nodes = [{id = 1}]", "expected {id, address}"},
      {"nodes = [{id = 0, address = \"10.0.0.1:7400\"}]", "expected {id, address}"},
      {"nodes = [{id = 1, address = \"10.0.0.1:7400\", port = 1}]", "expected {id, address}"},
      {"nodes = []", "expected three or five nodes, got 0"},
      {list_of_nodes({{1, one}}), "expected three or five nodes, got 1"},
      {list_of_nodes({{1, one}, {2, two}}), "expected three or five nodes, got 2"},
      {list_of_nodes({{1, one}, {2, two}, {3, three}, {4, "10.0.0.4:7400"}}),
       "expected three or five nodes, got 4"},
      {list_of_nodes({{1, one}, {2, two}, {2, three}}),
       "expected ids and addresses that differ, got id 2"},
      {list_of_nodes({{1, one}, {2, two}, {3, two}}),
       "expected ids and addresses that differ, got id 3, address \"10.0.0.2:7400\" twice"},
      {list_of_nodes({{1, one}, {2, two}, {3, "10.0.0.3"}}),
       "expected an IPv4 address with a port, like \"10.0.0.1:7400\", got \"10.0.0.3\""},
      {list_of_nodes({{1, one}, {2, two}, {3, "10.0.0.3:0"}}), "expected an IPv4 address"},
      {list_of_nodes({{1, one}, {2, two}, {3, "10.0.0.3:65536"}}), "expected an IPv4 address"},
      {list_of_nodes({{1, one}, {2, two}, {3, "10.0.0.256:7400"}}), "expected an IPv4 address"},
      {list_of_nodes({{1, one}, {2, two}, {3, "host-3:7400"}}), "expected an IPv4 address"},
      {list_of_nodes({{1, one}, {2, two}, {3, "[::1]:7400"}}), "expected an IPv4 address"},
  };
  for (const auto& [line, expected] : wrong)
    EXPECT_THAT(refusal(cluster_with(line)), HasSubstr(path() + ":7: cluster.nodes: " + expected))
        << line;
  const std::string five =
      list_of_nodes({{9, one}, {8, two}, {1, three}, {4, "10.0.0.4:7400"}, {5, "10.0.0.5:7400"}});
  EXPECT_EQ(must(read(cluster_with(five))).cluster.nodes.size(), 5u);
}

// Those that it may ask, and itself.
TEST_F(DaemonConfig, ANodeThatJoinsNamesOneToSixteen) {
  const auto joining = [](int count) {
    std::string nodes;
    for (int id = 1; id <= count; ++id)
      nodes += (nodes.empty() ? "{id = " : ", {id = ") + std::to_string(id) +
               ", address = \"10.0.0." + std::to_string(id) + ":7400\"}";
    return cluster_with("nodes = [" + nodes + "]") + "join = true\n";
  };
  for (const int count : {2, 3, 4, 16})
    EXPECT_EQ(must(read(joining(count))).cluster.nodes.size(), static_cast<size_t>(count));
  for (const int count : {1, 17})
    EXPECT_THAT(refusal(joining(count)),
                HasSubstr(path() + ":7: cluster.nodes: expected this node and those that it may "
                                   "ask, up to 16, got " +
                          std::to_string(count)));
}

TEST_F(DaemonConfig, AClusterWithoutANameIsNone) {
  const auto without_name = [](const std::string& rest) {
    return std::string(kLeast) + "[cluster]\n" + rest;
  };
  EXPECT_THAT(refusal(without_name("node = 1\n")),
              HasSubstr("till.toml: cluster.id: expected the name of the cluster"));
  EXPECT_THAT(refusal(without_name(list_of_nodes({{1, "10.0.0.1:7400"}}) + "\n")),
              HasSubstr("till.toml: cluster.id: expected the name of the cluster"));
  EXPECT_THAT(refusal(without_name("id = \"till\"\nnode = 1\n")),
              HasSubstr("till.toml: cluster.nodes: expected three or five nodes, got 0"));
  EXPECT_THAT(refusal("cluster = 1\n" + std::string(kLeast)),
              HasSubstr(":1: cluster: expected a table"));
  Config config{.book = "till", .journal = {.directory = "here"}};
  config.cluster.node = 1;
  EXPECT_EQ(check_config(config).error().detail, "cluster.id: expected the name of the cluster");
}

TEST_F(DaemonConfig, SegmentsHaveTheirRangeAndGranule) {
  const auto with_segment = [&](const char* size) {
    return std::string(kLeast) + "segment = \"" + size + "\"\n";
  };
  EXPECT_EQ(code_of(read(with_segment("4MiB"))), test_support::kDone);
  EXPECT_THAT(refusal(with_segment("3MiB")),
              HasSubstr(":4: journal.segment: expected 4MiB to 4GiB"));
  EXPECT_THAT(refusal(with_segment("5000001B")), HasSubstr("a multiple of 4KiB, got 5000001B"));
}

TEST_F(DaemonConfig, WhatIsMissingIsNamedToo) {
  EXPECT_THAT(refusal("book = \"till\"\n"), HasSubstr("till.toml: journal.directory: expected"));
  EXPECT_THAT(refusal("[journal]\ndirectory = \"/srv\"\n"), HasSubstr("till.toml: book: expected"));
  EXPECT_THAT(refusal("journal = 1\nbook = \"till\"\n"),
              HasSubstr(":1: journal: expected a table"));
}

TEST_F(DaemonConfig, AFileThatCannotBeReadIsNoBadArgument) {
  EXPECT_EQ(code_of(read_config(path())), Code::io_error);
  EXPECT_THAT(read_config(path()).error().detail, HasSubstr(path()));
  EXPECT_EQ(code_of(read_config(directory_.path())), Code::io_error) << "a directory";
}

TEST_F(DaemonConfig, TheSameRulesHoldWithoutAFile) {
  Config config{.book = "till", .journal = {.directory = "here"}};
  EXPECT_EQ(code_of(check_config(config)), test_support::kDone);
  config.journal.flush_interval = milliseconds(0);
  EXPECT_EQ(check_config(config).error().detail,
            "journal.flush_interval: expected 1ms to 10s, got 0s");
  config = {.book = "../till", .journal = {.directory = "here"}};
  EXPECT_THAT(check_config(config).error().detail, HasSubstr("book: expected the name of a book"));
}

}  // namespace
}  // namespace casbook::daemon
