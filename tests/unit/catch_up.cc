// Copies over real connections on loopback: given to who knows the key, whole or not at all,
// however the connection ends; and slow, silent and foreign clients cost nobody anything.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "daemon/catch_up_client.h"
#include "daemon/catch_up_server.h"
#include "replicate/udp_address.h"
#include "support/child_process.h"
#include "support/copied_log.h"
#include "support/faulty_storage.h"
#include "support/random.h"

namespace casbook::daemon {
namespace {

using namespace test_support;
using arena::OsFile;
using journal::CopyTarget;
using replicate::ClusterKey;
using test::FaultyStorage;
using testing::HasSubstr;

constexpr uint64_t kCluster = 77, kServer = 1, kClient = 3, kShape = 5;

ClusterKey key_of(uint8_t first) {
  ClusterKey key;
  key.bytes[0] = static_cast<std::byte>(first);
  return key;
}

// A port of loopback that nobody has.
std::string free_address() {
  const OsFile probe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET, address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(probe.fd(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(probe.fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    std::abort();
  return replicate::text_of(address);
}

OsFile connect_to(const std::string& address) {
  const auto parsed = must(replicate::parse_udp_address("", address));
  OsFile connected(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(connected.fd(), reinterpret_cast<const sockaddr*>(&parsed), sizeof parsed) != 0)
    std::abort();
  return connected;
}

// Between a client and the server: passes on so many bytes from the server, then cuts; or flips a
// bit of one of them.
class Between {
 public:
  Between(const std::string& server, uint64_t cut_at, uint64_t flip_at)
      : server_(server), cut_at_(cut_at), flip_at_(flip_at) {
    const auto parsed = must(replicate::parse_udp_address("", address_));
    listening_ = OsFile(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int yes = 1;
    (void)setsockopt(listening_.fd(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listening_.fd(), reinterpret_cast<const sockaddr*>(&parsed), sizeof parsed) != 0 ||
        listen(listening_.fd(), 1) != 0)
      std::abort();
    thread_ = std::thread([this] { pass_on(); });
  }
  ~Between() { thread_.join(); }
  const std::string& address() const { return address_; }
  uint64_t passed() const { return passed_; }

 private:
  void pass_on() {
    const OsFile client(accept(listening_.fd(), nullptr, nullptr));
    const OsFile server = connect_to(server_);
    std::byte bytes[4096];
    pollfd both[] = {{client.fd(), POLLIN, 0}, {server.fd(), POLLIN, 0}};
    while (poll(both, 2, 10'000) > 0) {
      if (both[0].revents) {
        const ssize_t got = recv(client.fd(), bytes, sizeof bytes, 0);
        if (got <= 0 || send(server.fd(), bytes, static_cast<size_t>(got), MSG_NOSIGNAL) != got)
          return;
      }
      if (both[1].revents) {
        const uint64_t left = std::min<uint64_t>(sizeof bytes, cut_at_ - passed_);
        const ssize_t got = recv(server.fd(), bytes, left, 0);
        if (got <= 0) return;
        const auto count = static_cast<uint64_t>(got);
        if (flip_at_ >= passed_ && flip_at_ < passed_ + count)
          bytes[flip_at_ - passed_] ^= std::byte{4};
        if (send(client.fd(), bytes, count, MSG_NOSIGNAL) != got) return;
        passed_ += count;
        if (passed_ == cut_at_) return;
      }
    }
  }

  const std::string server_, address_ = free_address();
  const uint64_t cut_at_, flip_at_;
  uint64_t passed_ = 0;
  OsFile listening_;
  std::thread thread_;
};

class CatchUpTest : public testing::Test {
 protected:
  CatchUpTest() {
    must(source_.open());
    source_.append(60, 2);
    must(source_.drive());
    supply_.storage = &from_, supply_.journal_id = 7, supply_.holds = &holds_;
    supply_.end = [this] { return source_.end(); };
    options_.address = free_address();
    options_.cluster = kCluster, options_.node = kServer, options_.shape = kShape;
    options_.channel.handshake_time = std::chrono::milliseconds(2000);
    question_.address = options_.address;
    question_.name = {.cluster = kCluster, .client = kClient, .server = kServer};
    question_.request.shape = kShape;
  }
  void serve() { server_ = must(CatchUpServer::open(options_, key_of(1), supply_)); }
  Result<std::unique_ptr<CopyTarget>> fetch(const ClusterKey& key = key_of(1)) {
    return fetch_copy(to_, key, question_, {.journal_id = 9, .segment_bytes = kCopySegmentBytes});
  }
  Code refusal(const ClusterKey& key = key_of(1)) {
    auto fetched = fetch(key);
    if (fetched) must(journal::discard_copy(to_));
    EXPECT_THAT(must(to_.list()), testing::IsEmpty());
    return fetched ? Code{} : fetched.error().code;
  }
  // What becomes of the connections is noted by threads of their own.
  template <class Condition>
  bool comes_true(Condition condition) {
    for (int i = 0; i < 500; ++i) {
      if (condition(server_->counts())) return true;
      sleep_us(10'000);
    }
    return false;
  }

  FaultyStorage from_{1}, to_{2};
  CopiedLog source_{from_, 7}, copy_{to_, 9};
  journal::SegmentHolds holds_;
  CatchUpSupply supply_;
  CatchUpServerOptions options_;
  CatchUpQuestion question_;
  std::unique_ptr<CatchUpServer> server_;
};

TEST_F(CatchUpTest, GivesACopy) {
  serve();
  auto target = must(fetch());
  ASSERT_TRUE(target->is_whole());
  must(journal::install(to_, target->installation()));
  must(copy_.open());
  EXPECT_EQ(copy_.said(), source_.said());
  EXPECT_TRUE(comes_true([](const auto& counts) { return counts.copies == 1; }));
  EXPECT_EQ(holds_.lowest(), UINT64_MAX);
}

TEST_F(CatchUpTest, KnowsWhoMayHaveOne) {
  supply_.is_known_disk = [](uint64_t node, uint64_t id) { return node != kClient || id == 42; };
  serve();
  EXPECT_EQ(refusal(key_of(2)), Code::no_permission);
  question_.request.storage_id = 41;
  EXPECT_EQ(refusal(), Code::foreign_journal);
  question_.request.storage_id = 42;
  question_.request.shape = kShape + 1;
  EXPECT_EQ(refusal(), Code::damaged);
  question_.request.shape = kShape;
  question_.name.cluster = kCluster + 1;
  EXPECT_EQ(refusal(), Code::io_error) << "another cluster's server says nothing at all";
  question_.name.cluster = kCluster;
  question_.name.server = 2;
  EXPECT_EQ(refusal(), Code::io_error) << "the server is another node";
  question_.name.server = kServer;
  EXPECT_EQ(refusal(), Code{});
  EXPECT_TRUE(comes_true([](const auto& counts) {
    return counts.copies == 1 && counts.refused == 2 && counts.dropped == 3;
  }));
}

// The server without the key cannot pass for one that has it.
TEST_F(CatchUpTest, KnowsWhoGivesOne) {
  server_ = must(CatchUpServer::open(options_, key_of(2), supply_));
  EXPECT_EQ(refusal(), Code::no_permission);
}

uint64_t bytes_of_all(const CatchUpQuestion& question, FaultyStorage& to) {
  Between between(question.address, UINT64_MAX, UINT64_MAX);
  CatchUpQuestion through = question;
  through.address = between.address();
  must(fetch_copy(to, key_of(1), through, {.journal_id = 9, .segment_bytes = kCopySegmentBytes}));
  must(journal::discard_copy(to));
  return between.passed();
}

TEST_F(CatchUpTest, IsNothingWhenTheConnectionIsCut) {
  serve();
  const uint64_t all = bytes_of_all(question_, to_);
  ASSERT_GT(all, 20'000u);
  test::Random random(9);
  const std::string server = question_.address;
  for (uint64_t i = 0; i < 60; ++i) {
    const uint64_t cut_at = i < 30 ? 1 + i * (all - 30) / 30 : 1 + random.below(all - 30);
    Between between(server, cut_at, UINT64_MAX);
    question_.address = between.address();
    EXPECT_EQ(refusal(), Code::io_error) << cut_at << " of " << all;
  }
  question_.address = server;
  EXPECT_EQ(refusal(), Code{}) << "and the next attempt gets it";
}

TEST_F(CatchUpTest, IsNothingWhenABitIsFlipped) {
  serve();
  const uint64_t all = bytes_of_all(question_, to_);
  test::Random random(11);
  const std::string server = question_.address;
  uint64_t forged = 0;
  for (uint64_t i = 0; i < 60; ++i) {
    const uint64_t flip_at = i < 30 ? i * 7 : random.below(all);
    Between between(server, UINT64_MAX, flip_at);
    question_.address = between.address();
    question_.channel.frame_time = std::chrono::milliseconds(500);
    const Code code = refusal();
    // In a length it may be that the rest of the frame never comes.
    EXPECT_TRUE(code == Code::no_permission || code == Code::io_error) << flip_at;
    forged += code == Code::no_permission;
  }
  EXPECT_GT(forged, 40u);
}

TEST_F(CatchUpTest, LetsSilentClientsGo) {
  options_.channel.handshake_time = std::chrono::milliseconds(150);
  serve();
  std::vector<OsFile> silent;
  for (int i = 0; i < 20; ++i) silent.push_back(connect_to(options_.address));
  EXPECT_TRUE(comes_true([](const auto& counts) { return counts.dropped + counts.refused == 20; }));
  EXPECT_EQ(refusal(), Code{});
}

TEST_F(CatchUpTest, LetsClientsGoThatDoNotRead) {
  source_.append(3000, 2);
  must(source_.drive());
  options_.channel.frame_time = std::chrono::milliseconds(300);
  options_.clients_max = 1;
  serve();
  auto channel = must(CatchUpChannel::connect(options_.address, key_of(1), question_.name, {}));
  must(channel.send(encode(question_.request)));
  // The one place is taken, and what it reads is kept for it.
  EXPECT_TRUE(comes_true([this](const auto&) { return holds_.lowest() == 1; }));
  EXPECT_EQ(refusal(), Code::backpressure);
  EXPECT_TRUE(comes_true([](const auto& counts) { return counts.broken == 1; }));
  EXPECT_EQ(holds_.lowest(), UINT64_MAX);
  EXPECT_EQ(refusal(), Code{});
}

TEST_F(CatchUpTest, SendsNoFasterThanItMay) {
  source_.append(300, 2);
  must(source_.drive());
  serve();
  int64_t begun = base::monotonic_ns();
  ASSERT_EQ(refusal(), Code{});
  const int64_t unbounded_ns = base::monotonic_ns() - begun;
  uint64_t bytes = 0;
  EXPECT_TRUE(comes_true([&](const auto& counts) { return (bytes = counts.bytes) != 0; }));
  server_.reset();
  options_.bytes_per_second = bytes;  // one second
  serve();
  begun = base::monotonic_ns();
  ASSERT_EQ(refusal(), Code{});
  const int64_t bounded_ns = base::monotonic_ns() - begun;
  EXPECT_GT(bounded_ns, 800'000'000);
  EXPECT_LT(bounded_ns, 2'000'000'000 + unbounded_ns);
}

TEST_F(CatchUpTest, EndsWhenItIsToldTo) {
  options_.bytes_per_second = 1000;  // for minutes
  serve();
  std::thread client([this] { (void)!fetch(); });
  EXPECT_TRUE(comes_true([this](const auto&) { return holds_.lowest() != UINT64_MAX; }));
  const int64_t begun = base::monotonic_ns();
  server_.reset();
  client.join();
  EXPECT_LT(base::monotonic_ns() - begun, 2'000'000'000);
}

// What stands behind the first byte of a hello is looked at, and nothing else happens.
TEST_F(CatchUpTest, TakesNoiseForNothing) {
  serve();
  test::Random random(3);
  for (int i = 0; i < 4; ++i) {
    const OsFile noisy = connect_to(options_.address);
    std::byte noise[200];
    for (std::byte& byte : noise) byte = static_cast<std::byte>(random.below(256));
    (void)!send(noisy.fd(), noise, sizeof noise, MSG_NOSIGNAL);
  }
  EXPECT_TRUE(comes_true([](const auto& counts) { return counts.dropped == 4; }));
  EXPECT_EQ(refusal(), Code{});
}

}  // namespace
}  // namespace casbook::daemon
