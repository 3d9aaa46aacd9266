// `scripts/demo-cluster`, which scripts/demo --cluster runs: it holds casbook to its word, and
// nothing of it outlives it.
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include "support/command.h"
#include "support/daemon_process.h"

namespace casbook {
namespace {

namespace fs = std::filesystem;
using test_support::await;
using test_support::Child;
using test_support::Ended;
using test_support::Started;
using test_support::Words;
using testing::HasSubstr;
using testing::Not;

constexpr int kSecondsMax = 100;

class DemoCluster : public testing::Test {
 protected:
  void SetUp() override {
    constexpr int kNamespaces = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID;
    if (!Child([] { _exit(unshare(kNamespaces) == 0 ? 0 : 1); }).succeeded())
      GTEST_SKIP() << "hosts are namespaces, and making them takes root (CAP_SYS_ADMIN)";
    signal(SIGINT, SIG_DFL);  // a background job of a shell ignores it
  }
  std::unique_ptr<Started> start(const std::string& command) const {
    return std::make_unique<Started>(CASBOOK_DEMO_CLUSTER, Words{command, "--seconds", "1"},
                                     Words{"TMPDIR=" + folder_.path()});
  }
  Ended run(const std::string& command) const {
    const auto demo = start(command);
    EXPECT_TRUE(await([&] { return demo->has_ended(); }, kSecondsMax));
    return demo->wait();
  }
  // The command, but where the words match `pattern` of a shell it only says `lie`.
  std::string liar(const std::string& pattern, const std::string& lie) const {
    std::string path = tools_.path() + "/casbook";
    std::ofstream(path) << "#!/bin/sh\ncase \"$*\" in\n  " << pattern << ") echo '" << lie
                        << "' ;;\n  *) exec " << CASBOOK_COMMAND << " \"$@\" ;;\nesac\n";
    fs::permissions(path, fs::perms::owner_all);
    return path;
  }
  // Processes that were started for this demo all name its folder.
  bool has_processes() const {
    for (const auto& entry : fs::directory_iterator("/proc")) {
      const std::string words = command_line(entry.path());
      if (words.find(folder_.path()) != words.npos) return true;
    }
    return false;
  }
  // Empty where there is none any more: one may end at any moment, also while it is read.
  static std::string command_line(const fs::path& process) {
    const int fd = open((process / "cmdline").c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    char words[4096];
    const ssize_t bytes = read(fd, words, sizeof words);
    close(fd);
    return {words, bytes > 0 ? static_cast<size_t>(bytes) : 0};
  }
  void expect_nothing_left() const {
    EXPECT_TRUE(fs::is_empty(folder_.path()));
    EXPECT_FALSE(has_processes());
  }

  const test_support::DiskDirectory folder_, tools_;
};

TEST_F(DemoCluster, EveryClaimHoldsAndNothingIsLeft) {
  const Ended ended = run(CASBOOK_COMMAND);
  EXPECT_EQ(ended.exit_code, 0) << ended.out << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("is killed now (SIGKILL)"));
  EXPECT_THAT(ended.out, HasSubstr("ok      another host takes over"));
  EXPECT_THAT(ended.out, HasSubstr("ok      every answered payment is on all three hosts"));
  EXPECT_THAT(ended.out, HasSubstr("ok      the audit is the same on all three"));
  EXPECT_THAT(ended.out, HasSubstr("Everything held"));
  EXPECT_THAT(ended.out, Not(HasSubstr("FAILED")));
  expect_nothing_left();
}

TEST_F(DemoCluster, FailsWhenAnAnsweredPaymentIsNowhere) {
  const Ended ended = run(liar("*'--id b-2 '*", R"({"id":"b-2","position":"562949953421399"})"));
  EXPECT_EQ(ended.exit_code, 1) << ended.out << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("FAILED  every answered payment is on all three hosts"));
  EXPECT_THAT(ended.out, HasSubstr("3 missing, 0 that nobody was told of"));
  EXPECT_THAT(ended.out, HasSubstr("FAILED  the money is the same on all three"));
  EXPECT_THAT(ended.out, HasSubstr("2 of these did not hold"));
  expect_nothing_left();
}

TEST_F(DemoCluster, AnInterruptOrADeathEndsIt) {
  for (const int number : {SIGINT, SIGKILL}) {
    const auto demo = start(CASBOOK_COMMAND);
    ASSERT_TRUE(await([&] { return demo->out_so_far().find("four payers") != std::string::npos; }));
    EXPECT_TRUE(has_processes());
    test_support::signal_process(demo->pid(), number);
    EXPECT_EQ(demo->wait().exit_code, -1);
    EXPECT_TRUE(await([&] { return !has_processes(); })) << number;
    if (number == SIGINT) expect_nothing_left();
  }
}

TEST_F(DemoCluster, SaysThatItCouldNotBeRun) {
  const Ended no_command = run("/bin/false");
  EXPECT_EQ(no_command.exit_code, 3);
  EXPECT_THAT(no_command.err, HasSubstr("no cluster key"));
  expect_nothing_left();
}

}  // namespace
}  // namespace casbook
