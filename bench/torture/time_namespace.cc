#include "torture/time_namespace.h"

#include <algorithm>
#include <string>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "harness.h"
#include "support/child_process.h"

namespace casbook::torture {
namespace {

constexpr int kNewTime = 0x80;  // CLONE_NEWTIME, which Debian's <sched.h> does not name

bool write_file(const char* path, const std::string& text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool is_written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  return close(fd) == 0 && is_written;
}

}  // namespace

bool enter_time_namespace(int64_t ahead_ns) {
  const std::string offset = std::to_string(ahead_ns / 1'000'000'000) + " 0\n";
  // The namespace is that of children to come, until it is entered.
  if (unshare(kNewTime) != 0 ||
      !write_file("/proc/self/timens_offsets", "monotonic " + offset + "boottime " + offset))
    return false;
  const int fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool is_entered = setns(fd, kNewTime) == 0;
  close(fd);
  return is_entered;
}

bool can_enter_time_namespace() {
  test_support::Child child([] {
    if (!enter_time_namespace(1'000'000'000)) _exit(1);
  });
  return child.succeeded();
}

int64_t back_ns_max() {
  constexpr int64_t kHourNs = 3'600'000'000'000;
  // In whole seconds, and with some left.
  return std::min(kHourNs, bench::now_ns() / 2 / 1'000'000'000 * 1'000'000'000);
}

}  // namespace casbook::torture
