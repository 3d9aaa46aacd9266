#include "served/place.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace casbook::bench {
namespace {

[[noreturn]] void give_up(const std::string& path, const char* why) {
  std::fprintf(stderr, "benchmark: %s: %s\n", path.c_str(), why);
  std::exit(1);
}

}  // namespace

Place::Place(const char* purpose) : owner_(getpid()) {
  const char* wanted = std::getenv("CASBOOK_BENCH_DIR");
  const std::string parent = wanted && *wanted ? wanted : CASBOOK_BENCH_DIR_DEFAULT;
  struct statfs about;
  if (statfs(parent.c_str(), &about) != 0) give_up(parent, std::strerror(errno));
  if (about.f_type == TMPFS_MAGIC || about.f_type == RAMFS_MAGIC)
    give_up(parent, "is memory, which has nothing to sync; set CASBOOK_BENCH_DIR to a disk");
  path_ = parent + "/" + purpose + ".XXXXXX";
  if (!mkdtemp(path_.data())) give_up(path_, std::strerror(errno));
  chmod(path_.c_str(), 0755);  // a server of another user has its data in here
}

Place::~Place() {
  if (getpid() != owner_) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string Place::folder(const char* name) const {
  const std::string made = path_ + "/" + name;
  if (mkdir(made.c_str(), 0700) != 0) give_up(made, std::strerror(errno));
  return made;
}

const char* casbook_command() { return CASBOOK_COMMAND; }

}  // namespace casbook::bench
