#include "support/hosts/hosts.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/child_process.h"
#include "support/hosts/interfaces.h"
#include "support/hosts/maker.h"

namespace casbook::test_support {
namespace {

constexpr const char* kInterface = "eth0";
constexpr const char* kBridge = "wire";
constexpr int kCannotEnter = 126;

// Router solicitations and the like would be frames that nobody expects. A kernel without IPv6 has
// no such files.
void forget_ipv6() {
  for (const char* which : {"all", "default"}) {
    const std::string path = std::string("/proc/sys/net/ipv6/conf/") + which + "/disable_ipv6";
    if (std::FILE* file = std::fopen(path.c_str(), "w")) {
      std::fputs("1", file);
      std::fclose(file);
    }
  }
}

bool mount_memory(const std::string& size) {
  return mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV,
               ("mode=1777,size=" + size).c_str()) == 0;
}

std::string leave_namespaces(const std::string& memory) {
  if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) return failed("namespaces");
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return failed("mounts");
  if (!mount_memory(memory)) return failed("/dev/shm");
  forget_ipv6();
  return set_up({.name = "lo"});
}

// This process is in the host's namespace before and after.
std::string join_bridge(uint32_t host, int bridge_network) {
  const std::string port = "port" + std::to_string(host);
  const int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (own < 0 || setns(bridge_network, CLONE_NEWNET) != 0) return failed("the bridge's namespace");
  if (std::string why = add_veth(port.c_str(), kBridge, kInterface, own); !why.empty()) return why;
  if (std::string why = set_up({.name = port.c_str(), .mtu = 9000}); !why.empty()) return why;
  if (setns(own, CLONE_NEWNET) != 0) return failed("the host's namespace");
  close(own);
  return {};
}

std::string configure(uint32_t host, const HostsOptions& options) {
  std::string why = set_up({.name = kInterface,
                            .address = Hosts::address(host),
                            .mac = mac_of_host(host),
                            .mtu = options.mtu});
  // Known for good: a lost question for an address would hold unicast up for a second.
  for (uint32_t other = 1; other <= options.count && why.empty(); ++other)
    if (other != host) why = add_neighbour(kInterface, Hosts::address(other), mac_of_host(other));
  return why;
}

}  // namespace

Hosts::Hosts(const HostsOptions& options) : options_(options) { why_not_ = make(); }

Hosts::~Hosts() {
  switch_.reset();
  for (const Host& host : hosts_) close(host.network), close(host.mounts);
  close(bridge_network_);
  std::error_code ignored;
  for (const Host& host : hosts_) std::filesystem::remove_all(host.disk, ignored);
  if (owns_folder_) std::filesystem::remove_all(folder_, ignored);
}

std::string Hosts::make() {
  if (options_.count == 0 || options_.count > kHostsMax) return "too many hosts";
  folder_ = options_.folder;
  if (folder_.empty()) {
    folder_ = (std::filesystem::temp_directory_path() / "casbook-hosts-XXXXXX").string();
    if (!mkdtemp(folder_.data())) return failed(folder_);
    owns_folder_ = true;
  }
  if (options_.wire == Wire::bridge)
    if (std::string why = make_bridge(); !why.empty()) return why;
  std::vector<int> taps;
  std::string why;
  for (uint32_t host = 1; host <= options_.count && why.empty(); ++host) {
    int tap = -1;
    why = make_host(host, tap);
    if (tap >= 0) taps.push_back(tap);
  }
  if (why.empty() && options_.wire == Wire::faulty_switch)
    switch_ = std::make_unique<EtherSwitch>(taps, options_.seed);
  for (const int tap : taps) close(tap);
  return why;
}

std::string Hosts::make_bridge() {
  Maker maker([](int&) -> std::string {
    if (unshare(CLONE_NEWNET) != 0) return failed("a namespace");
    forget_ipv6();
    std::string why = add_bridge(kBridge);
    return why.empty() ? set_up({.name = kBridge}) : why;
  });
  bridge_network_ = maker.open_namespace("net");
  return maker.why_not();
}

std::string Hosts::make_host(uint32_t host, int& tap) {
  Host made{.disk = folder_ + "/host" + std::to_string(host)};
  if (mkdir(made.disk.c_str(), 0755) != 0) return failed(made.disk);
  Maker maker([&](int& fd) -> std::string {
    std::string why = leave_namespaces(options_.memory);
    if (!why.empty()) return why;
    why = options_.wire == Wire::bridge ? join_bridge(host, bridge_network_)
                                        : open_tap(kInterface, fd);
    return why.empty() ? configure(host, options_) : why;
  });
  made.network = maker.open_namespace("net");
  made.mounts = maker.open_namespace("mnt");
  tap = maker.descriptor();
  hosts_.push_back(made);
  return maker.why_not();
}

void Hosts::enter(uint32_t host) const {
  const Host& entered = hosts_[host - 1];
  if (setns(entered.network, CLONE_NEWNET) == 0 && setns(entered.mounts, CLONE_NEWNS) == 0 &&
      chdir(entered.disk.c_str()) == 0)
    return;
  std::fprintf(stderr, "host %u cannot be entered: %s\n", host, std::strerror(errno));
  _exit(kCannotEnter);
}

void Hosts::enter_network(uint32_t host) const {
  if (setns(hosts_[host - 1].network, CLONE_NEWNET) == 0) return;
  std::fprintf(stderr, "the network of host %u cannot be entered: %s\n", host,
               std::strerror(errno));
  _exit(kCannotEnter);
}

bool Hosts::lose_memory(uint32_t host) const {
  return Child([&] {
           enter(host);
           const bool is_empty =
               umount2("/dev/shm", MNT_DETACH) == 0 && mount_memory(options_.memory);
           _exit(is_empty ? 0 : 1);
         })
      .succeeded();
}

}  // namespace casbook::test_support
