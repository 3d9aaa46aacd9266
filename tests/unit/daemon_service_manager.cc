// What systemd is told, by a socket in its place; and that its unit is one.
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/event_log.h"
#include "daemon/service_manager.h"
#include "support/captured_errors.h"
#include "support/scratch_directory.h"
#include "support/small_book.h"

namespace casbook::daemon {
namespace {

using testing::HasSubstr;

// Listens where the daemon is told that its service manager does.
class FakeManager {
 public:
  explicit FakeManager(const std::string& name)
      : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(name.begin(), name.end(), address.sun_path);
    if (name[0] == '@') address.sun_path[0] = '\0';
    const size_t bytes = offsetof(sockaddr_un, sun_path) + name.size() + (name[0] != '@');
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), static_cast<socklen_t>(bytes)), 0);
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~FakeManager() {
    unsetenv("NOTIFY_SOCKET");
    close(fd_);
  }
  FakeManager(const FakeManager&) = delete;
  FakeManager& operator=(const FakeManager&) = delete;

  // "" when there is none.
  std::string next() {
    char text[512];
    const ssize_t bytes = recv(fd_, text, sizeof text, 0);
    return bytes < 0 ? "" : std::string(text, static_cast<size_t>(bytes));
  }

 private:
  int fd_;
};

void expect_all_told(FakeManager& manager) {
  notify_status("recovering: 3 of 10 segments");
  notify_ready();
  notify_status("one line\nREADY=0");
  notify_stopping();
  EXPECT_EQ(manager.next(), "STATUS=recovering: 3 of 10 segments");
  EXPECT_EQ(manager.next(), "READY=1");
  EXPECT_EQ(manager.next(), "STATUS=one line");
  EXPECT_EQ(manager.next(), "STOPPING=1");
  EXPECT_EQ(manager.next(), "");
}

TEST(DaemonServiceManager, IsToldOverASocketOfAPath) {
  const test_support::ScratchDirectory directory;
  FakeManager manager(directory.path() + "/notify");
  expect_all_told(manager);
}

TEST(DaemonServiceManager, IsToldOverAnAbstractSocket) {
  FakeManager manager("@casbook-test-" + std::to_string(getpid()));
  expect_all_told(manager);
}

TEST(DaemonServiceManager, NobodyThereIsLoggedAndNothingMore) {
  const test_support::CapturedErrors errors;
  test_support::must(open_event_log("info"));
  unsetenv("NOTIFY_SOCKET");
  notify_ready();
  EXPECT_EQ(errors.text(), "");
  for (const std::string& name :
       {std::string("/nowhere/at all"), std::string("relative"), std::string(200, '/')}) {
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
    notify_ready();
  }
  unsetenv("NOTIFY_SOCKET");
  EXPECT_THAT(errors.text(),
              HasSubstr("event=service_manager_unreachable socket=\"/nowhere/at all\" "
                        "error=\"No such file or directory\"\n"));
  EXPECT_THAT(errors.text(), HasSubstr("socket=relative error=\"Invalid argument\"\n"));
}

}  // namespace
}  // namespace casbook::daemon
