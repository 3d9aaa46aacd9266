// SIGTERM at any moment of a daemon's start, from when it reads its configuration: a stop, as at
// any other time. Before, while the program is loaded, it ends like any process, and nothing was
// begun.
#include <filesystem>
#include <fstream>
#include <random>

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "replicate/key_file.h"
#include "support/daemon_process.h"
#include "support/random.h"

namespace casbook {
namespace {

using namespace test_support;

class EarlyStop : public testing::Test {
 protected:
  DaemonPlace place() {
    DaemonPlace place;
    place.program = CASBOOK_COMMAND_INSTRUMENTED;
    place.shm = memory_.path();
    place.journal = disk_.path() + "/journal";
    return place;
  }
  // One node of three, alone; at ports that were free just now.
  DaemonPlace place_of_node() {
    DaemonPlace node = place();
    const std::string key = disk_.path() + "/key";
    if (!std::filesystem::exists(key) && !replicate::write_new_key(key)) std::abort();
    std::string nodes;
    for (const char* id : {"1", "2", "3"})
      nodes += std::string(nodes.empty() ? "" : ", ") + "{id = " + id +
               ", address = \"127.0.0.1:" + std::to_string(free_port()) + "\"}";
    node.more_config = "[cluster]\nid = \"early\"\nnode = 1\nmode = \"unicast\"\nnodes = [" +
                       nodes + "]\nkey_file = \"" + key + "\"\n";
    return node;
  }
  static uint16_t free_port() {
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    bind(socket, reinterpret_cast<sockaddr*>(&address), size);
    getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
    close(socket);
    return ntohs(address.sin_port);
  }
  void stop_at_random_moments(const DaemonPlace& place, int64_t start_us) {
    const uint64_t seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    test::Random random(seed);
    for (int i = 0; i < kStarts; ++i) {
      DaemonProcess daemon(place);
      ASSERT_TRUE(daemon.await_answering_stop()) << daemon.wait().err;
      sleep_us(static_cast<int64_t>(random.below(static_cast<uint64_t>(start_us))));
      const Ended ended = daemon.stop();
      ASSERT_EQ(ended.exit_code, 0) << "start " << i << "\n" << ended.err;
      ASSERT_NE(ended.err.find("event=stopped"), std::string::npos) << ended.err;
    }
    DaemonProcess daemon(place);
    const bool is_alone = place.more_config.empty();
    ASSERT_TRUE(is_alone ? daemon.await_serving() : !daemon.has_ended()) << daemon.events();
  }

  static constexpr int kStarts = 12;
  ScratchDirectory memory_;
  DiskDirectory disk_;
};

// The daemon stands at its configuration, a pipe that nobody has written to yet.
TEST_F(EarlyStop, ComesWhileTheConfigurationIsRead) {
  DaemonPlace at = place();
  at.write_config();
  const std::string text = [&] {
    std::ifstream file(at.config_file());
    return std::string{std::istreambuf_iterator<char>(file), {}};
  }();
  std::filesystem::remove(at.config_file());
  ASSERT_EQ(mkfifo(at.config_file().c_str(), 0600), 0);
  Started daemon(at.program, {"serve", at.config_file()});
  EXPECT_TRUE(await([&] { return answers_stop(daemon.pid()); }, 5));
  signal_process(daemon.pid(), SIGTERM);
  signal_process(daemon.pid(), SIGINT);  // and who is impatient asks twice
  sleep_us(20'000);
  const int pipe = open(at.config_file().c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(pipe, 0) << "nobody reads any more";
  ASSERT_EQ(write(pipe, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  close(pipe);
  const Ended ended = daemon.wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_NE(ended.err.find("event=stopped"), std::string::npos) << ended.err;
}

TEST_F(EarlyStop, OfABookComesAtAnyMoment) { stop_at_random_moments(place(), 60'000); }

TEST_F(EarlyStop, OfANodeComesAtAnyMoment) { stop_at_random_moments(place_of_node(), 60'000); }

}  // namespace
}  // namespace casbook
