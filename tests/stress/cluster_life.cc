// What operators do to a cluster while payments go on: all hosts restarted one by one, another
// cluster key, nodes and files of another release, a path that carries less than before. At the end
// the books are equal and hold what was answered, each payment once. CASBOOK_LIFE_ROUNDS (1): how
// often each is done.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "replicate/key_file.h"
#include "replicate/udp_address.h"
#include "replicate/wire.h"
#include "support/cluster_run.h"
#include "support/gap_watch.h"
#include "support/hosts/interfaces.h"
#include "support/hosts/sniffer.h"

namespace casbook {
namespace {

namespace fs = std::filesystem;
using namespace test_support;
using replicate::KeyChange;

uint64_t rounds() {
  const char* const given = std::getenv("CASBOOK_LIFE_ROUNDS");
  return given ? std::strtoull(given, nullptr, 10) : 1;
}

class ClusterLife : public testing::Test {
 protected:
  void SetUp() override {
    if (!load.hosts().are_there()) GTEST_SKIP() << "no hosts here: " << load.hosts().why_not();
  }
  void begin(const ClusterPlan& plan = {}) {
    for (uint32_t host = 1; host <= load.count(); ++host)
      sniffers.push_back(sniff_on(load.hosts(), host, (*sniffed)[host - 1]));
    load.make_daemons(plan);
    load.daemons().start_all();
    ASSERT_TRUE(load.await_leader()) << load.all_events();
  }
  void begin_paying() {
    load.start_payers();
    ASSERT_TRUE(load.await_progress()) << load.all_events();
    gaps.emplace(load.truth());
  }
  // Told to end, ended well, started again, and has all that the others have.
  void restart(uint32_t host) {
    const Ended ended = load.daemons().stop(host);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    load.daemons().start(host);
    ASSERT_TRUE(load.await_caught_up(host)) << load.all_events();
  }
  uint64_t term() {
    uint64_t highest = 0;
    for (uint32_t host = 1; host <= load.count(); ++host)
      highest = std::max(highest, load.look(host).leader_term);
    return highest;
  }
  uint64_t told(uint32_t host, const std::string& event) {
    const std::string all = load.daemons().events(host);
    uint64_t count = 0;
    for (size_t at = 0; (at = all.find("event=" + event + " ", at)) != all.npos; ++at) ++count;
    return count;
  }
  void end() {
    ASSERT_TRUE(load.await_progress()) << load.all_events();
    load.stop_payers();
    load.expect_sound({.is_quorum_kept = true});
    for (uint32_t host = 1; host <= load.count(); ++host) {
      const SniffedCounts& seen = (*sniffed)[host - 1];
      EXPECT_GT(seen.datagrams, 100u);
      EXPECT_EQ(seen.repeats, 0u) << "host " << host << " used a number twice under a key";
      EXPECT_EQ(seen.fragments, 0u);
      std::printf("host %u: %llu datagrams seen, %llu missed, %llu runs, %llu keys\n", host,
                  static_cast<unsigned long long>(seen.datagrams),
                  static_cast<unsigned long long>(seen.missed),
                  static_cast<unsigned long long>(seen.runs),
                  static_cast<unsigned long long>(seen.keys));
    }
  }

  Shared<std::array<SniffedCounts, kHostsMax>> sniffed;
  ClusterRun load{{.count = 3}};
  std::vector<Child> sniffers;
  std::optional<GapWatch> gaps;
};

TEST_F(ClusterLife, AllHostsRestartedOneByOneLoseNothingAndElectOnceEach) {
  ASSERT_NO_FATAL_FAILURE(begin());
  ASSERT_NO_FATAL_FAILURE(begin_paying());
  for (uint64_t round = 0; round < rounds(); ++round) {
    const uint64_t before = term();
    for (uint32_t host = 1; host <= load.count(); ++host) {
      ASSERT_NO_FATAL_FAILURE(restart(host));
      ASSERT_TRUE(load.await_progress()) << load.all_events();
    }
    const uint64_t elections = term() - before;
    EXPECT_LE(elections, load.count()) << load.all_events();
    std::printf("%llu elections, longest gap %.0f ms, %llu payments\n",
                static_cast<unsigned long long>(elections), gaps->longest_ms(),
                static_cast<unsigned long long>(load.truth().reached()));
  }
  end();
  for (uint32_t host = 1; host <= load.count(); ++host)
    EXPECT_EQ((*sniffed)[host - 1].runs, 1 + rounds());
}

TEST_F(ClusterLife, AFollowerRestartedWhileNobodyPaysChangesNoLeader) {
  ASSERT_NO_FATAL_FAILURE(begin());
  const uint32_t leader = load.leader();
  const uint64_t before = term();
  for (uint32_t host = 1; host <= load.count(); ++host) {
    if (host == leader) continue;
    ASSERT_NO_FATAL_FAILURE(restart(host));
    sleep_us(500'000);
    EXPECT_EQ(load.leader(), leader);
    EXPECT_EQ(term(), before) << load.all_events();
  }
}

// --- another key

class ClusterKeyChange : public ClusterLife {
 protected:
  // The next step of all hosts, one after the other.
  void step(KeyChange change) {
    SCOPED_TRACE("step " + std::to_string(static_cast<int>(change)));
    ASSERT_TRUE(replicate::change_keys(load.key_file(1), change));
    for (uint32_t host = 1; host <= load.count(); ++host) {
      if (host > 1)
        fs::copy_file(load.key_file(1), load.key_file(host), fs::copy_options::overwrite_existing);
      ASSERT_NO_FATAL_FAILURE(reload(host, "keys_reloaded"));
      ASSERT_TRUE(load.await_progress(2)) << load.all_events();
    }
  }
  void reload(uint32_t host, const std::string& event) {
    const uint64_t before = told(host, event);
    load.daemons().signal(host, SIGHUP);
    ASSERT_TRUE(await([&] { return told(host, event) > before; })) << load.all_events();
  }
  uint64_t forged() {
    uint64_t sum = 0;
    for (uint32_t host = 1; host <= load.count(); ++host) sum += load.look(host).dropped_forged;
    return sum;
  }
};

TEST_F(ClusterKeyChange, GoesOnWhilePaymentsDo) {
  ASSERT_NO_FATAL_FAILURE(begin());
  ASSERT_NO_FATAL_FAILURE(begin_paying());
  const uint64_t before = term();
  gaps->begin_anew();
  for (uint64_t round = 0; round < rounds(); ++round)
    for (const KeyChange change : {KeyChange::append, KeyChange::swap, KeyChange::drop})
      ASSERT_NO_FATAL_FAILURE(step(change));
  std::printf("longest gap %.1f ms, %llu payments\n", gaps->longest_ms(),
              static_cast<unsigned long long>(load.truth().reached()));
  EXPECT_EQ(term(), before) << "another leader\n" << load.all_events();
  EXPECT_EQ(forged(), 0u);
  EXPECT_LT(gaps->longest_ms(), 1000);
  end();
  for (uint32_t host = 1; host <= load.count(); ++host) {
    EXPECT_EQ((*sniffed)[host - 1].runs, 1u);
    EXPECT_EQ((*sniffed)[host - 1].keys, 1 + rounds());
  }
}

TEST_F(ClusterKeyChange, GoesOnOverRestartsInItsMiddle) {
  ASSERT_NO_FATAL_FAILURE(begin());
  ASSERT_NO_FATAL_FAILURE(begin_paying());
  for (uint64_t round = 0; round < rounds(); ++round) {
    uint32_t host = 0;
    for (const KeyChange change : {KeyChange::append, KeyChange::swap, KeyChange::drop}) {
      ASSERT_NO_FATAL_FAILURE(step(change));
      ASSERT_NO_FATAL_FAILURE(restart(++host));
    }
  }
  end();
}

TEST_F(ClusterKeyChange, AFileThatIsNotRightChangesNothing) {
  ASSERT_NO_FATAL_FAILURE(begin());
  ASSERT_NO_FATAL_FAILURE(begin_paying());
  const auto spoil = [&](const std::string& text) {
    std::ofstream(load.key_file(2), std::ios::trunc) << text;
    ASSERT_NO_FATAL_FAILURE(reload(2, "keys_not_reloaded"));
  };
  for (const std::string& text :
       {std::string("nonsense\n"), "casbook-cluster-key-9 " + std::string(64, 'a') + "\n",
        "casbook-cluster-key-1 " + std::string(64, 'a') + "\n"})
    ASSERT_NO_FATAL_FAILURE(spoil(text));
  fs::remove(load.key_file(2));
  ASSERT_NO_FATAL_FAILURE(reload(2, "keys_not_reloaded"));
  ASSERT_TRUE(load.await_progress());
  EXPECT_EQ(forged(), 0u);
  EXPECT_EQ(told(2, "keys_reloaded"), 0u);
  end();
}

// --- other versions

class ClusterVersions : public ClusterLife {
 protected:
  // As a node of another release on that host: its address, and a version.
  void say(uint32_t host, uint32_t to, uint8_t version, int times) {
    EXPECT_TRUE(fork_on(load.hosts(), host, [&] {
                  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
                  const auto from = replicate::parse_udp_address("from", cluster_address(host));
                  const auto there = replicate::parse_udp_address("to", cluster_address(to));
                  const auto raw = [](const auto& address) {
                    return reinterpret_cast<const sockaddr*>(&*address);
                  };
                  require(bind(fd, raw(from), sizeof *from) == 0, "the address is taken");
                  std::array<char, 100> bytes{'C', 'B', 'R', 'P', static_cast<char>(version)};
                  for (int i = 0; i < times; ++i)
                    require(
                        sendto(fd, bytes.data(), bytes.size(), 0, raw(there), sizeof *there) > 0,
                        "not sent");
                }).succeeded());
  }
  std::string newest(uint32_t host, const std::string& prefix) {
    std::string name;
    for (const auto& entry : fs::directory_iterator(load.hosts().disk(host) + "/journal"))
      if (entry.path().filename().string().starts_with(prefix) &&
          entry.path().extension() != ".new")
        name = std::max(name, entry.path().string());
    return name;
  }
  static std::string read(const std::string& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  // With other bytes there it does not serve, and says why.
  void expect_refused(uint32_t host, const std::string& file, size_t at, const std::string& bytes) {
    SCOPED_TRACE(file);
    const std::string before = read(file);
    std::string after = before;
    after.replace(at, bytes.size(), bytes);
    const auto put = [&](const std::string& all) {
      std::ofstream(file, std::ios::binary | std::ios::trunc) << all;
    };
    put(after);
    load.daemons().start(host);
    EXPECT_TRUE(await([&] { return !load.daemons().is_running(host); })) << "it serves";
    const Ended ended = load.daemons().stop(host);
    EXPECT_EQ(ended.exit_code, 3);
    EXPECT_NE(ended.err.find("format_newer"), std::string::npos) << ended.err;
    EXPECT_TRUE(read(file) == after) << "it touched what it refused";
    put(before);
  }
};

TEST_F(ClusterVersions, ANodeOfAnotherReleaseIsCountedAndToldOnce) {
  ASSERT_NO_FATAL_FAILURE(begin());
  ASSERT_NO_FATAL_FAILURE(begin_paying());
  EXPECT_EQ(load.daemons().stop(3).exit_code, 0);
  ASSERT_TRUE(load.await_leader());
  ASSERT_NO_FATAL_FAILURE(say(3, 1, 9, 50));
  ASSERT_TRUE(await([&] { return load.look(1).dropped_newer == 50; })) << load.all_events();
  EXPECT_EQ(told(1, "newer_node"), 1u);
  const std::string line = "event=newer_node node=3 address=" + cluster_address(3) +
                           " version=9 own_version=" + std::to_string(replicate::kWireVersion) +
                           " upgrade=\"this node\"";
  EXPECT_NE(load.daemons().events(1).find(line), std::string::npos) << load.all_events();
  ASSERT_NO_FATAL_FAILURE(say(3, 2, 1, 50));
  ASSERT_TRUE(await([&] { return told(2, "older_node") == 1; })) << load.all_events();
  EXPECT_NE(load.daemons().events(2).find(" version=1 "), std::string::npos);
  EXPECT_NE(load.daemons().events(2).find(" upgrade=\"that node\""), std::string::npos);
  EXPECT_EQ(load.look(2).dropped_newer, 0u);
  load.daemons().start(3);
  ASSERT_TRUE(load.await_caught_up(3));
  end();
}

TEST_F(ClusterVersions, FilesOfANewerProgramAreNamedAndNotTouched) {
  ASSERT_NO_FATAL_FAILURE(begin({.more = "[checkpoint]\nevery = \"300ms\"\n"}));
  ASSERT_NO_FATAL_FAILURE(begin_paying());
  // One of nothing is not needed, and may be anything.
  ASSERT_TRUE(await([&] {
    const std::string name = newest(3, "checkpoint-");
    return !name.empty() && !name.ends_with(std::string(20, '0'));
  })) << load.all_events();
  EXPECT_EQ(load.daemons().stop(3).exit_code, 0);
  constexpr size_t kFormatOffset = 8;  // in all files of a journal
  const std::string ninety_nine("\x63\0\0\0", 4);
  ASSERT_NO_FATAL_FAILURE(expect_refused(3, newest(3, "state"), kFormatOffset, ninety_nine));
  ASSERT_NO_FATAL_FAILURE(expect_refused(3, newest(3, "segment-"), kFormatOffset, ninety_nine));
  ASSERT_NO_FATAL_FAILURE(expect_refused(3, load.key_file(3), 20, "2"));
  ASSERT_TRUE(load.hosts().lose_memory(3));  // so that the checkpoint is needed
  ASSERT_NO_FATAL_FAILURE(expect_refused(3, newest(3, "checkpoint-"), kFormatOffset, ninety_nine));
  load.daemons().start(3);
  ASSERT_TRUE(load.await_caught_up(3)) << load.all_events();
  end();
}

// --- a narrower path

class ClusterPath : public ClusterLife {
 protected:
  static constexpr uint64_t kIpAndUdpBytes = 28;

  // Beside the payers, many payments at once: so that datagrams are full.
  void begin_heavy_load() {
    for (uint32_t host = 1; host <= load.count(); ++host)
      heavy.push_back(fork_on(load.hosts(), host, [&, host] { pay_in_bulk(host); }));
  }
  void pay_in_bulk(uint32_t host) {
    for (uint64_t number = uint64_t{host} << 40;; sleep_us(2000)) {
      auto book = Book::attach(load.daemons().book());
      if (!book) continue;
      auto session = book->open_session();
      if (!session || !session->open_ledger("HUF", 2)) continue;
      const auto from =
          session->open_account({ExternalId::of_number(2'000'000)}, {.ledger = "HUF"});
      const auto to = session->open_account({ExternalId::of_number(2'000'001)}, {.ledger = "HUF"});
      while (from && to) {
        Payment payment({ExternalId::of_number(1000, ++number)});
        payment.debit(*from, 1).credit(*to, 1);
        if (!session->pay(payment)) break;
        if (number % 64 == 0) sleep_us(10'000);
      }
    }
  }
  void set_interface(uint32_t host, uint32_t mtu) {
    EXPECT_TRUE(fork_on(load.hosts(), host, [&] {
                  require(set_up({.name = "eth0", .mtu = mtu}).empty(), "no such MTU");
                }).succeeded());
  }
  void begin_anew() {
    for (SniffedCounts& seen : *sniffed) seen.largest = 0;
  }
  uint64_t largest() {
    uint64_t bytes = 0;
    for (const SniffedCounts& seen : *sniffed) bytes = std::max(bytes, seen.largest.load());
    return bytes;
  }
  // All that lead or may have to send no more than that.
  bool await_datagrams(uint64_t ip_bytes) {
    return await([&] {
      const uint32_t leader = load.leader();
      if (leader != 0 && load.look(leader).datagram_bytes == ip_bytes - kIpAndUdpBytes) return true;
      sleep_us(20'000);
      return false;
    });
  }
  // `narrow` comes in the middle of it, then `widen`.
  void run(const std::function<void()>& narrow, const std::function<void()>& widen) {
    ClusterPlan plan;
    plan.arena = small_arena(300'000, 65'536);
    ASSERT_NO_FATAL_FAILURE(begin(plan));
    ASSERT_NO_FATAL_FAILURE(begin_paying());
    begin_heavy_load();
    ASSERT_TRUE(await([&] { return largest() > 1280; })) << "no datagram is large";
    for (uint64_t round = 0; round < rounds(); ++round) {
      gaps->begin_anew();
      narrow();
      const int64_t narrowed_ns = monotonic_ns();
      ASSERT_TRUE(await_datagrams(1280)) << load.all_events();
      const auto took_ms = static_cast<double>(monotonic_ns() - narrowed_ns) / 1e6;
      ASSERT_TRUE(load.await_progress(20)) << load.all_events();
      std::printf("narrow after %.0f ms at most, longest gap %.0f ms\n", took_ms,
                  gaps->longest_ms());
      widen();
      ASSERT_TRUE(await_datagrams(1500)) << load.all_events();
      begin_anew();
      ASSERT_TRUE(await([&] { return largest() > 1280; }));
    }
    heavy.clear();
    end();
  }

  std::vector<Child> heavy;
};

// Nobody says a word: frames above it are lost.
TEST_F(ClusterPath, ThatLosesWhatIsLargeIsFoundAndPaymentsGoOn) {
  run([&] { load.hosts().wire().set_all({.frame_bytes_max = 1280 + 14}); },
      [&] { load.hosts().wire().heal(); });
}

// The kernel refuses them.
TEST_F(ClusterPath, OfANarrowerInterfaceIsFoundAndPaymentsGoOn) {
  const auto set_all = [&](uint32_t mtu) {
    for (uint32_t host = 1; host <= load.count(); ++host) set_interface(host, mtu);
  };
  run([&] { set_all(1280); }, [&] { set_all(1500); });
}

}  // namespace
}  // namespace casbook
