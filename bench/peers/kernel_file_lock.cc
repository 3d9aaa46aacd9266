// File locks that the kernel keeps, and frees with their holder: flock on a file for each account
// as it is usually written; byte ranges of one file by open file description (F_OFD_SETLKW), with
// intents in the rows, as the safe form.
#include <cerrno>
#include <string>
#include <unordered_map>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "peers/designs.h"
#include "peers/mapped_money.h"

namespace casbook::peers {
namespace {

constexpr const char* kDeath =
    "the kernel, at once, with the last descriptor; a stopped holder blocks until it goes on";

// Opened for each lock and closed to give it back: there are more accounts than descriptors.
class FlockLock {
 public:
  explicit FlockLock(std::string folder) : folder_(std::move(folder)) {}

  bool lock(uint32_t account) {
    const int fd = take(std::to_string(account));
    if (fd < 0) return false;
    held_[account] = fd;
    return true;
  }
  void unlock(uint32_t account) {
    close(held_[account]);
    held_.erase(account);
  }
  bool round() const {
    const int fd = take("floor-" + std::to_string(getpid()));
    return fd >= 0 && close(fd) == 0;
  }

 private:
  int take(const std::string& name) const {
    const std::string path = folder_ + "/" + name;
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return -1;
    while (flock(fd, LOCK_EX) != 0)
      if (errno != EINTR) return close(fd), -1;
    return fd;
  }

  std::string folder_;
  std::unordered_map<uint32_t, int> held_;
};

// One descriptor of each caller's own: locks by the same one are no locks to each other.
class OfdLock {
 public:
  explicit OfdLock(const std::string& folder)
      : fd_(open((folder + "/locks").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {}
  OfdLock(OfdLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~OfdLock() {
    if (fd_ >= 0) close(fd_);
  }

  bool lock(uint32_t account) const { return set(F_WRLCK, account); }
  void unlock(uint32_t account) const { set(F_UNLCK, account); }
  bool round() const { return set(F_WRLCK, kNoAccount) && set(F_UNLCK, kNoAccount); }

 private:
  static constexpr int64_t kNoAccount = int64_t{1} << 40;

  bool set(int type, int64_t place) const {
    struct flock range {};
    range.l_type = static_cast<int16_t>(type);
    range.l_whence = SEEK_SET;
    range.l_start = place;
    range.l_len = 1;
    while (fcntl(fd_, F_OFD_SETLKW, &range) != 0)
      if (errno != EINTR) return false;
    return true;
  }

  int fd_;
};

class FlockDesign : public Design {
 public:
  FlockDesign()
      : Design({.name = "flock",
                .group = Group::shared_file,
                .floor = "one file opened, locked and closed",
                .store = "a mapped file of /dev/shm",
                .work = "flock on a file for each account",
                .death = kDeath}) {}
  std::unique_ptr<Caller> connect() override {
    return std::make_unique<MappedCaller<FlockLock>>(money_, FlockLock(shape().folder), false);
  }
  void forget() override { money_.forget(); }

 private:
  std::string make() override { return money_.make(shape()); }

  MappedMoney money_;
};

class OfdDesign : public Design {
 public:
  OfdDesign()
      : Design({.name = "ofd-lock-intent",
                .group = Group::shared_file,
                .form = Form::safe,
                .floor = "one byte locked and unlocked",
                .store = "a mapped file of /dev/shm",
                .work =
                    "F_OFD_SETLKW on a byte for each account; both rows say what they will hold "
                    "before they do",
                .death = kDeath}) {}
  std::unique_ptr<Caller> connect() override {
    return std::make_unique<MappedCaller<OfdLock>>(money_, OfdLock(shape().folder), true);
  }
  void forget() override { money_.forget(); }

 private:
  std::string make() override { return money_.make(shape()); }

  MappedMoney money_;
};

}  // namespace

std::unique_ptr<Design> make_flock() { return std::make_unique<FlockDesign>(); }
std::unique_ptr<Design> make_ofd_lock() { return std::make_unique<OfdDesign>(); }

}  // namespace casbook::peers
