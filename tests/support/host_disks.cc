#include "support/host_disks.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "support/loop_disk.h"

namespace casbook::test_support {

namespace {

constexpr uint32_t kOuterMore = 112;  // MiB, for what the outer one keeps of itself
constexpr const char* kFiller = "journal/filler";

std::string script_of(uint32_t mebibytes) {
  const auto size = [](uint32_t mib) { return std::to_string(mib) + "M "; };
  return "set -e; exec 2>&1\n"
         "truncate -s " +
         size(mebibytes + kOuterMore) +
         "outer.img; mkfs.ext4 -q -m 0 outer.img; mkdir outer\n"
         "mount -o loop outer.img outer\n"
         "truncate -s " +
         size(mebibytes) +
         "outer/inner.img; mkfs.ext4 -q -m 0 -O ^has_journal outer/inner.img\n"
         "mount -o loop outer/inner.img journal";
}

}  // namespace

HostDisks::HostDisks(const Hosts& hosts, uint32_t mebibytes) : hosts_(hosts) {
  for (uint32_t host = 1; host <= hosts.count() && why_not_.empty(); ++host) {
    const Ended made = start_on(hosts, host, "sh", {"-c", script_of(mebibytes)})->wait();
    if (made.exit_code != 0) why_not_ = made.out.empty() ? "no loop devices" : made.out;
  }
}

void HostDisks::freeze_for(uint32_t host, int64_t us) const {
  fork_on(hosts_, host, [us] {
    if (fork() != 0) return;
    setsid();
    const int fd = open("outer", O_RDONLY | O_CLOEXEC);
    if (ioctl(fd, FIFREEZE, 0) == 0) sleep_us(us), ioctl(fd, FITHAW, 0);
    _exit(0);
  }).wait();
}

void HostDisks::fill(uint32_t host) const {
  fork_on(hosts_, host, [] {
    new Filler(kFiller);  // stays
  }).wait();
}

void HostDisks::make_room(uint32_t host) const {
  fork_on(hosts_, host, [] { (void)unlink(kFiller); }).wait();
}

}  // namespace casbook::test_support
