// The control socket: one line each way, whoever asks and however.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/control_socket.h"
#include "support/scratch_directory.h"

namespace casbook::daemon {
namespace {

using testing::HasSubstr;

class Control : public testing::Test {
 protected:
  Control() : path_(*control_path(directory_.path(), "till")) {
    ControlCommands commands;
    commands.add("echo", [](const Json& request, const auto&) { return Result<Json>(request); });
    commands.add("refuse", [](const Json&, const auto&) {
      return Result<Json>(Error{.code = Code::not_leader, .detail = "node 2 leads"});
    });
    commands.add("take_time", [](const Json& request, const auto&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2'300));
      return Result<Json>(request);
    });
    commands.add("wait", [](const Json&, const ControlCommands::MustStop& must_stop) {
      while (!must_stop()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return Result<Json>(Code::outcome_unknown);
    });
    commands_ = commands;
  }
  void open() {
    auto opened = ControlSocket::open(path_, commands_);
    ASSERT_TRUE(opened) << opened.error().message();
    socket_ = std::move(*opened);
  }
  // What comes back for these bytes, until it hangs up.
  std::string raw(const std::string& bytes) const {
    const arena::OsFile socket(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    if (connect(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      return "refused";
    (void)!send(socket.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    shutdown(socket.fd(), SHUT_WR);
    std::string all;
    char some[512];
    for (ssize_t count; (count = recv(socket.fd(), some, sizeof some, 0)) > 0;)
      all.append(some, static_cast<size_t>(count));
    return all;
  }

  test_support::ScratchDirectory directory_;
  const std::string path_;
  ControlCommands commands_;
  std::unique_ptr<ControlSocket> socket_;
};

TEST_F(Control, AnswersALineWithALine) {
  open();
  const auto answer = ask_daemon(path_, {{"command", "echo"}, {"id", 7}}, 5000);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ((*answer)["id"], 7);
  EXPECT_EQ((*answer)["ok"], true);
  const auto refused = ask_daemon(path_, {{"command", "refuse"}}, 5000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::not_leader);
  EXPECT_EQ(refused.error().detail, "node 2 leads");
  const auto unknown = ask_daemon(path_, {{"command", "dance"}}, 5000);
  EXPECT_EQ(unknown.error().code, Code::bad_argument);
  EXPECT_THAT(unknown.error().detail, HasSubstr("one of echo, refuse, take_time, wait"));
}

// Longer than the patience with who does not take his answer.
TEST_F(Control, AnswersWhatTakesItsTime) {
  open();
  EXPECT_THAT(raw("{\"command\": \"take_time\"}\n"), HasSubstr("\"ok\":true"));
}

TEST_F(Control, IsForItsOwnerAlone) {
  const mode_t former = umask(0);
  open();
  umask(former);
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
  socket_.reset();
  EXPECT_NE(stat(path_.c_str(), &status), 0) << "it goes with the daemon";
  EXPECT_EQ(ask_daemon(path_, {{"command", "echo"}}, 1000).error().code, Code::not_served);
}

TEST_F(Control, TakesTheNameOfADeadDaemonAndOfNothingElse) {
  {
    const arena::OsFile dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(bind(dead.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  EXPECT_EQ(ask_daemon(path_, {{"command", "echo"}}, 1000).error().code, Code::not_served);
  open();
  EXPECT_TRUE(ask_daemon(path_, {{"command", "echo"}}, 5000));
  socket_.reset();
  std::ofstream(path_) << "a file of somebody";
  const auto refused = ControlSocket::open(path_, commands_);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr(path_));
}

TEST_F(Control, RefusesWhatIsNoRequest) {
  open();
  for (const std::string line :
       {"\n", "hello\n", "[1]\n", "{\"command\": 7}\n", "{\"command\"\n", "\xff\xfe\n"})
    EXPECT_THAT(raw(line), HasSubstr("\"code\":\"bad_argument\"")) << line;
  EXPECT_EQ(raw("{\"command\": \"echo\"}"), "") << "no end of the line";
  EXPECT_EQ(raw(std::string(100'000, 'x') + "\n"), "") << "too long";
  EXPECT_THAT(raw("{\"command\": \"echo\", \"text\": \"\xff\"}\n"), HasSubstr("bad_argument"));
  EXPECT_TRUE(ask_daemon(path_, {{"command", "echo"}}, 5000)) << "and goes on";
}

TEST_F(Control, EndsThoughSomebodyWaits) {
  open();
  Result<Json> answer = Code::io_error;
  std::thread waiter([&] { answer = ask_daemon(path_, {{"command", "wait"}}, 20'000); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  socket_.reset();
  waiter.join();
  EXPECT_EQ(answer.error().code, Code::outcome_unknown);
}

TEST_F(Control, GivesUpWhenTheTimeIsOver) {
  open();
  EXPECT_EQ(ask_daemon(path_, {{"command", "wait"}}, 50).error().code, Code::wait_timeout);
}

TEST(ControlPath, HasToFitIntoAnAddress) {
  EXPECT_EQ(*control_path("/dev/shm", "till"), "/dev/shm/casbook.till.control");
  EXPECT_THAT(control_path("/" + std::string(120, 'd'), "till").error().detail,
              HasSubstr("expected a path shorter than 108"));
}

}  // namespace
}  // namespace casbook::daemon
