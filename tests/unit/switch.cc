// Hosts that are namespaces, and the switch between them (support/hosts/).
//
// The switch counts the reports of who joins the group too, a few frames: its counts are compared
// with room for these.
#include <array>
#include <atomic>
#include <fstream>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <gtest/gtest.h>

#include "support/host_process.h"

namespace casbook {
namespace {

using namespace test_support;

constexpr uint16_t kPort = 7400;
constexpr const char* kGroup = "239.192.7.1";
constexpr uint32_t kDatagramsMax = 4096;
constexpr double kReportsMax = 6;

struct Datagram {
  explicit Datagram(uint64_t given = 0, int64_t now_ns = 0)
      : number(given), sent_ns(now_ns), check(given ^ static_cast<uint64_t>(now_ns)) {}
  bool operator==(const Datagram&) const = default;

  uint64_t number;
  int64_t sent_ns;
  uint64_t check;
  std::array<uint8_t, 1176> rest{};
};

// What a receiver has met.
struct Mailbox {
  std::atomic<uint32_t> is_open, must_stop, received, overtaken, damaged;
  std::atomic<int64_t> least_ns, most_ns;
  std::array<std::atomic<uint8_t>, kDatagramsMax> copies;
};

sockaddr_in internet(const std::string& address) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(kPort);
  inet_pton(AF_INET, address.c_str(), &in.sin_addr);
  return in;
}

class Socket {
 public:
  enum class Port { known, any };
  explicit Socket(const std::string& own, Port port = Port::known)
      : fd_(socket(AF_INET, SOCK_DGRAM, 0)) {
    const timeval patience{.tv_sec = 0, .tv_usec = 20'000};
    const int bytes = 16 << 20;  // whatever else the machine is at, nothing is lost here
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
    sockaddr_in any = internet("0.0.0.0");
    if (port == Port::any) any.sin_port = 0;
    require(bind(fd_, reinterpret_cast<const sockaddr*>(&any), sizeof(any)) == 0, "bind");
    ip_mreq group{};
    inet_pton(AF_INET, own.c_str(), &group.imr_interface);
    inet_pton(AF_INET, kGroup, &group.imr_multiaddr);
    if (port == Port::known) setsockopt(fd_, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group));
    setsockopt(fd_, IPPROTO_IP, IP_MULTICAST_IF, &group.imr_interface, sizeof(in_addr));
    const int off = 0;
    setsockopt(fd_, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof(off));
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  bool send(const void* data, size_t bytes, const sockaddr_in& to) const {
    return sendto(fd_, data, bytes, 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) ==
           static_cast<ssize_t>(bytes);
  }
  ssize_t receive(void* data, size_t bytes, sockaddr_in* from = nullptr) const {
    socklen_t length = sizeof(*from);
    return recvfrom(fd_, data, bytes, 0, reinterpret_cast<sockaddr*>(from),
                    from ? &length : nullptr);
  }
  void forbid_fragments() const {
    const int always = IP_PMTUDISC_DO;
    setsockopt(fd_, IPPROTO_IP, IP_MTU_DISCOVER, &always, sizeof(always));
  }

 private:
  int fd_;
};

void receive_into(Mailbox& mailbox, uint32_t host) {
  const Socket socket(Hosts::address(host));
  uint64_t highest = 0;
  mailbox.least_ns = INT64_MAX;
  mailbox.is_open = 1;
  while (mailbox.must_stop == 0) {
    Datagram got;
    if (socket.receive(&got, sizeof(got)) != sizeof(got)) continue;
    const int64_t took_ns = monotonic_ns() - got.sent_ns;
    ++mailbox.received;
    if (got.number >= kDatagramsMax || got != Datagram(got.number, got.sent_ns)) {
      ++mailbox.damaged;
      continue;
    }
    ++mailbox.copies[got.number];
    mailbox.overtaken += got.number < highest;
    highest = std::max(highest, got.number);
    mailbox.least_ns = std::min(mailbox.least_ns.load(), took_ns);
    mailbox.most_ns = std::max(mailbox.most_ns.load(), took_ns);
  }
}

class Switch : public testing::Test {
 protected:
  void SetUp() override {
    if (!hosts_.are_there()) GTEST_SKIP() << "no hosts here: " << hosts_.why_not();
    for (uint32_t host = 1; host <= hosts_.count(); ++host) {
      Mailbox& mailbox = mailbox_of(host);
      receivers_.push_back(
          fork_on(hosts_, host, [&mailbox, host] { receive_into(mailbox, host); }));
      ASSERT_TRUE(await([&] { return mailbox.is_open != 0; }));
    }
  }
  void TearDown() override {
    for (uint32_t host = 1; host <= receivers_.size(); ++host) mailbox_of(host).must_stop = 1;
    for (Child& receiver : receivers_) EXPECT_TRUE(receiver.succeeded());
  }

  EtherSwitch& wire() { return hosts_.wire(); }
  Mailbox& mailbox_of(uint32_t host) { return *mailboxes_[host - 1]; }
  // Numbers first .. first+count-1, not faster than they are taken.
  void send(uint32_t from, const std::string& to, uint32_t count, uint32_t first = 0) {
    Child sender = fork_on(hosts_, from, [=] {
      const Socket socket(Hosts::address(from), Socket::Port::any);
      for (uint32_t i = 0; i < count; ++i) {
        const Datagram sent(first + i, monotonic_ns());
        require(socket.send(&sent, sizeof(sent), internet(to)), "send");
        sleep_us(20);
      }
    });
    ASSERT_TRUE(sender.succeeded());
  }
  // Until nothing comes any more.
  uint32_t received(uint32_t host, uint32_t wanted) {
    await([&] { return mailbox_of(host).received >= wanted; }, 5);
    sleep_us(30'000);
    return mailbox_of(host).received;
  }

  Hosts hosts_{{.count = 3, .seed = 7}};
  std::array<Shared<Mailbox>, kHostsMax> mailboxes_;
  std::vector<Child> receivers_;
};

TEST_F(Switch, CarriesDatagramsToTheirHostAlone) {
  send(1, Hosts::address(2), 500);
  EXPECT_EQ(received(2, 500), 500u);
  EXPECT_EQ(received(3, 0), 0u);
  EXPECT_EQ(mailbox_of(2).overtaken, 0u);
  EXPECT_EQ(mailbox_of(2).damaged, 0u);
  EXPECT_EQ(wire().counts(1, 3).lost + wire().total().lost, 0u);
}

TEST_F(Switch, CarriesMulticastToAllOthers) {
  send(2, kGroup, 500);
  EXPECT_EQ(received(1, 500), 500u);
  EXPECT_EQ(received(3, 500), 500u);
  EXPECT_EQ(received(2, 0), 0u);
}

TEST_F(Switch, LosesAShareOfOneDirection) {
  wire().set(1, 2, {.lose = 0.3});
  send(1, Hosts::address(2), 4000);
  const uint32_t came = received(2, 4000 - 1200);
  EXPECT_NEAR(came, 2800, 200);  // seven standard deviations
  EXPECT_NEAR(came + wire().counts(1, 2).lost, 4000, kReportsMax);
  send(2, Hosts::address(1), 300);
  EXPECT_EQ(received(1, 300), 300u);
}

TEST_F(Switch, CutsOneWayAndHeals) {
  wire().cut_one_way(1, 2);
  send(1, kGroup, 100);
  send(2, kGroup, 100);
  EXPECT_EQ(received(3, 200), 200u);
  EXPECT_EQ(received(1, 100), 100u);
  EXPECT_EQ(received(2, 0), 0u);
  EXPECT_GE(wire().counts(1, 2).cut, 100u);
  wire().heal();
  send(1, kGroup, 100);
  EXPECT_EQ(received(2, 100), 100u);
}

TEST_F(Switch, IsolatesAHost) {
  wire().isolate(3);
  send(1, kGroup, 50);
  send(3, kGroup, 50);
  EXPECT_EQ(received(2, 50), 50u);
  EXPECT_EQ(received(1, 0), 0u);
  EXPECT_EQ(received(3, 0), 0u);
}

TEST_F(Switch, DelaysByAsMuchAsItIsTold) {
  wire().set(1, 2, {.delay_us = 20'000});
  // The switch may be without a processor for longer than all the datagrams of one turn are on
  // their way: the fastest of several turns tells.
  uint32_t sent = 0;
  do {
    send(1, kGroup, 100, sent);
    sent += 100;
    ASSERT_EQ(received(2, sent), sent);
    ASSERT_EQ(received(3, sent), sent);
  } while (sent < kDatagramsMax - 100 && (mailbox_of(2).least_ns >= 100'000'000 ||
                                          mailbox_of(3).least_ns >= 20'000'000));
  EXPECT_GE(mailbox_of(2).least_ns, 20'000'000);
  EXPECT_LT(mailbox_of(2).least_ns, 100'000'000);
  EXPECT_LT(mailbox_of(3).least_ns, 20'000'000);
  EXPECT_EQ(mailbox_of(2).overtaken, 0u);
}

TEST_F(Switch, LetsFramesOvertakeOthers) {
  wire().set(1, 2, {.reorder = 0.1, .reorder_us = 3000});
  send(1, Hosts::address(2), 1000);
  EXPECT_EQ(received(2, 1000), 1000u);
  EXPECT_GT(mailbox_of(2).overtaken, 50u);
  EXPECT_NEAR(wire().counts(1, 2).reordered, 100, 60);
}

TEST_F(Switch, DeliversSomeTwice) {
  wire().set(1, 2, {.duplicate = 0.2});
  send(1, Hosts::address(2), 1000);
  const uint32_t came = received(2, 1000 + 120);
  EXPECT_NEAR(came, 1200, 80);  // six standard deviations
  EXPECT_NEAR(came, 1000 + wire().counts(1, 2).duplicated, kReportsMax);
  for (uint32_t i = 0; i < 1000; ++i) {
    ASSERT_GE(mailbox_of(2).copies[i], 1);
    ASSERT_LE(mailbox_of(2).copies[i], 2);
  }
}

TEST_F(Switch, FlipsABitThatReachesTheReceiver) {
  wire().set(1, 2, {.corrupt = 0.5});
  send(1, Hosts::address(2), 400);
  EXPECT_EQ(received(2, 400), 400u);
  EXPECT_EQ(mailbox_of(2).damaged, wire().counts(1, 2).corrupted);
  EXPECT_NEAR(mailbox_of(2).damaged, 200, 70);
}

std::string fate_of_seed(uint64_t seed) {
  Hosts hosts({.count = 2, .seed = seed});
  Shared<Mailbox> mailbox;
  Child receiver = fork_on(hosts, 2, [&] { receive_into(*mailbox, 2); });
  await([&] { return mailbox->is_open != 0; });
  sleep_us(20'000);  // what its joining sends is over
  hosts.wire().set(1, 2, {.lose = 0.5});
  fork_on(hosts, 1, [] {
    const Socket socket(Hosts::address(1), Socket::Port::any);
    for (uint32_t i = 0; i < 200; ++i) {
      const Datagram sent(i, monotonic_ns());
      socket.send(&sent, sizeof(sent), internet(Hosts::address(2)));
    }
  }).wait();
  await([&] { return mailbox->received + hosts.wire().counts(1, 2).lost >= 200; }, 5);
  mailbox->must_stop = 1;
  receiver.wait();
  std::string fate;
  for (uint32_t i = 0; i < 200; ++i) fate += mailbox->copies[i] != 0 ? '1' : '0';
  return fate;
}

TEST(SwitchSeed, DecidesWhichFramesAreLost) {
  if (const Hosts hosts({.count = 2}); !hosts.are_there())
    GTEST_SKIP() << "no hosts here: " << hosts.why_not();
  const std::string first = fate_of_seed(5);
  EXPECT_EQ(first, fate_of_seed(5));
  EXPECT_NE(first, fate_of_seed(6));
}

class HostsOfATest : public testing::TestWithParam<Wire> {
 protected:
  void SetUp() override {
    if (!hosts_.are_there()) GTEST_SKIP() << "no hosts here: " << hosts_.why_not();
  }
  Hosts hosts_{{.count = 3, .mtu = 9000, .wire = GetParam()}};
};

std::string wire_name(const testing::TestParamInfo<Wire>& wire) {
  return wire.param == Wire::bridge ? "bridge" : "faulty_switch";
}
INSTANTIATE_TEST_SUITE_P(Wires, HostsOfATest, testing::Values(Wire::faulty_switch, Wire::bridge),
                         wire_name);

TEST_P(HostsOfATest, AnswerEachOtherInLargeDatagrams) {
  std::vector<char> text(8900, 'x');
  Child answering = fork_on(hosts_, 3, [&] {
    const Socket socket(Hosts::address(3));
    std::vector<char> got(9000);
    for (int i = 0; i < 10;) {
      sockaddr_in from{};
      const ssize_t bytes = socket.receive(got.data(), got.size(), &from);
      if (bytes <= 0) continue;
      require(socket.send(got.data(), static_cast<size_t>(bytes), from), "answer");
      ++i;
    }
  });
  Child asking = fork_on(hosts_, 1, [&] {
    const Socket socket(Hosts::address(1));
    socket.forbid_fragments();
    std::vector<char> got(9000);
    int answers = 0;
    for (int i = 0; i < 200 && answers < 10; ++i) {
      require(socket.send(text.data(), text.size(), internet(Hosts::address(3))), "send");
      answers += socket.receive(got.data(), got.size()) == static_cast<ssize_t>(text.size());
    }
    require(answers == 10, "too few answers");
  });
  EXPECT_TRUE(asking.succeeded());
  EXPECT_TRUE(answering.succeeded());
}

TEST_P(HostsOfATest, RunProgramsWithAnEnvironmentAndASignal) {
  const auto program =
      start_on(hosts_, 2, "sh", {"-c", "echo $GREETING from $PWD; sleep 60"}, {"GREETING=hello"});
  ASSERT_TRUE(await([&] { return !program->out_so_far().empty(); }));
  EXPECT_EQ(program->out_so_far(), "hello from " + hosts_.disk(2) + "\n");
  EXPECT_NE(hosts_.disk(2), hosts_.disk(1));
  signal_process(program->pid(), SIGTERM);
  EXPECT_EQ(program->wait().exit_code, -1);
}

TEST_P(HostsOfATest, HaveASharedMemoryEach) {
  EXPECT_TRUE(fork_on(hosts_, 1, [] {
                require(std::ofstream("/dev/shm/casbook-of-host-1").put('1').flush().good(),
                        "write");
              }).succeeded());
  const auto sees_it = [&](uint32_t host) {
    return fork_on(hosts_, host,
                   [] { require(access("/dev/shm/casbook-of-host-1", F_OK) == 0, "not there"); })
        .succeeded();
  };
  testing::internal::CaptureStderr();  // what the children say of it
  EXPECT_TRUE(sees_it(1));
  EXPECT_FALSE(sees_it(2));
  EXPECT_NE(access("/dev/shm/casbook-of-host-1", F_OK), 0) << "the test itself sees it";
  EXPECT_TRUE(hosts_.lose_memory(1));
  EXPECT_FALSE(sees_it(1));
  testing::internal::GetCapturedStderr();
}

TEST(HostsOfADeadTest, AreGone) {
  struct Pids {
    std::atomic<pid_t> wire, sleeper;
    std::atomic<uint32_t> is_there, is_missing;
  };
  const Shared<Pids> pids;
  const ScratchDirectory folder;  // which a killed test does not remove
  Child test([&] {
    Hosts hosts({.folder = folder.path()});
    if (!hosts.are_there()) pids->is_missing = 1;
    if (!hosts.are_there()) return;
    const auto sleeper = start_on(hosts, 1, "sleep", {"60"});
    pids->wire = hosts.wire().pid();
    pids->sleeper = sleeper->pid();
    pids->is_there = 1;
    sleep_forever();
  });
  ASSERT_TRUE(await([&] { return pids->is_there != 0 || pids->is_missing != 0; }));
  if (pids->is_missing != 0) GTEST_SKIP() << "no hosts here";
  EXPECT_EQ(kill(pids->wire, 0), 0);
  EXPECT_EQ(kill(pids->sleeper, 0), 0);
  test.kill_and_wait();
  const auto is_gone = [](pid_t pid) {  // or waits for its new parent to notice
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(file, text);
    const size_t end_of_name = text.rfind(") ");
    return text.empty() || text[end_of_name + 2] == 'Z' || text[end_of_name + 2] == 'X';
  };
  EXPECT_TRUE(await([&] { return is_gone(pids->wire) && is_gone(pids->sleeper); }));
}

}  // namespace
}  // namespace casbook
