#include "growth/huge_pages.h"

#include <algorithm>
#include <fstream>

#include <sched.h>
#include <sys/mount.h>

namespace casbook::growth {
namespace {

std::string mount_one() {
  // A folder that every system has; what lies in it is hidden from this program only.
  constexpr const char* kFolder = "/mnt";
  if (unshare(CLONE_NEWNS) != 0) return {};
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return {};
  if (mount("casbook-growth", kFolder, "tmpfs", MS_NOSUID | MS_NODEV, "huge=always,size=95%") != 0)
    return {};
  return kFolder;
}

}  // namespace

const std::string& huge_page_directory() {
  static const std::string directory = mount_one();
  return directory;
}

double share_of_huge_pages() {
  double resident = 0, huge = 0;
  std::ifstream file("/proc/self/smaps_rollup");
  for (std::string line; std::getline(file, line);) {
    const auto value = [&] { return std::stod(line.substr(line.find(':') + 1)); };
    if (line.starts_with("Rss:")) resident = value();
    if (line.starts_with("ShmemPmdMapped:")) huge = value();
  }
  return huge / std::max(1.0, resident);
}

}  // namespace casbook::growth
