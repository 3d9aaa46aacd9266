// A lock file for each account, made with O_EXCL, its holder's process id in it. Who finds one
// older than the TTL takes its holder for dead and removes it; who is done removes it by its name.
// Between the look at the age and the removal it may have come to be somebody else's.
#include <cerrno>
#include <filesystem>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peers/designs.h"
#include "peers/mapped_money.h"
#include "peers/pause.h"

namespace casbook::peers {
namespace {

class LockFile {
 public:
  LockFile(std::string folder, const Shape& shape)
      : folder_(std::move(folder)),
        pid_(std::to_string(getpid())),
        ttl_ms_(shape.ttl_ms),
        patience_ms_(shape.patience_ms) {}

  bool lock(uint32_t account) const {
    const std::string path = path_of(account);
    if (try_to_make(path)) return true;
    for (Polling polling(patience_ms_);;) {
      if (errno != EEXIST) return false;
      if (is_stale(path)) unlink(path.c_str());
      if (try_to_make(path)) return true;
      if (!polling.wait()) return false;
      errno = EEXIST;
    }
  }
  void unlock(uint32_t account) const { unlink(path_of(account).c_str()); }
  bool round() const {
    const std::string path = folder_ + "/floor-" + pid_;
    return try_to_make(path) && unlink(path.c_str()) == 0;
  }

 private:
  std::string path_of(uint32_t account) const { return folder_ + "/" + std::to_string(account); }
  bool try_to_make(const std::string& path) const {
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    const bool is_written = write(fd, pid_.data(), pid_.size()) > 0;
    return close(fd) == 0 && is_written;
  }
  // By the wall clock, as file times are.
  bool is_stale(const std::string& path) const {
    struct stat about;
    timespec now;
    if (stat(path.c_str(), &about) != 0) return false;
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t age_ms = (now.tv_sec - about.st_mtim.tv_sec) * 1000 +
                           (now.tv_nsec - about.st_mtim.tv_nsec) / 1'000'000;
    return age_ms > ttl_ms_;
  }

  std::string folder_, pid_;
  int64_t ttl_ms_, patience_ms_;
};

class LockFiles : public Design {
 public:
  LockFiles()
      : Design({.name = "lock-file",
                .group = Group::shared_file,
                .uses_ttl = true,
                .floor = "one file made and removed",
                .store = "a mapped file of /dev/shm",
                .work = "O_EXCL, a file for each account; tried again each millisecond",
                .death = "the file's age beyond the TTL, by the wall clock; then it is removed"}) {}

  std::unique_ptr<Caller> connect() override {
    return std::make_unique<MappedCaller<LockFile>>(money_, LockFile(shape().folder, shape()),
                                                    false);
  }
  void forget() override { money_.forget(); }
  bool step_clock(int64_t ms) override {
    bool is_done = true;
    for (const auto& file : std::filesystem::directory_iterator(shape().folder)) {
      const auto changed = file.last_write_time() - std::chrono::milliseconds(ms);
      std::error_code error;
      std::filesystem::last_write_time(file.path(), changed, error);
      is_done = is_done && !error;
    }
    return is_done;
  }

 private:
  std::string make() override { return money_.make(shape()); }

  MappedMoney money_;
};

}  // namespace

std::unique_ptr<Design> make_lock_file() { return std::make_unique<LockFiles>(); }

}  // namespace casbook::peers
