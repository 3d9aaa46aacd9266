#include "support/loop_disk.h"

#include <filesystem>
#include <vector>

#include <fcntl.h>
#include <sys/mount.h>

namespace casbook::test_support {

LoopDisk::LoopDisk(const std::string& folder, int mebibytes)
    : image_(folder + "/image"), path_(folder + "/disk") {
  // Without a journal of its own: what the tests do to the blocks of a file stays in that file.
  is_mounted_ = geteuid() == 0 &&
                run({"truncate", "-s", std::to_string(mebibytes) + "M", image_}) &&
                run({"mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image_}) && mount();
  if (why_not_.empty() && !is_mounted_) why_not_ = "only root can mount a disk";
}

LoopDisk::~LoopDisk() { unmount(); }

bool LoopDisk::mount() {
  std::filesystem::create_directories(path_);
  return is_mounted_ = run({"mount", "-o", "loop", image_, path_});
}

bool LoopDisk::unmount() {
  if (!is_mounted_) return true;
  is_mounted_ = false;
  return await([this] { return run({"umount", path_}); });
}

bool LoopDisk::run(const Words& words) {
  Started started("/usr/bin/env", words);
  const Ended ended = started.wait();
  if (ended.exit_code != 0) why_not_ = words[0] + ": " + ended.err;
  return ended.exit_code == 0;
}

Filler::Filler(std::string path) : path_(std::move(path)) {
  const int fd = open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  // Most of it at once, the rest by writing.
  off_t end = 0;
  for (off_t bytes = off_t{1} << 26; fd >= 0 && bytes >= 4096; bytes /= 2)
    while (fallocate(fd, 0, end, bytes) == 0) end += bytes;
  if (fd >= 0) lseek(fd, end, SEEK_SET);
  const std::vector<char> block(4096);
  // Ends when the disk is full.
  while (fd >= 0 && write(fd, block.data(), block.size()) > 0) {
  }
  if (fd >= 0) fsync(fd), close(fd);
}

void Filler::remove() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

SmallMemoryDisk::SmallMemoryDisk(int mebibytes) {
  const std::string size = "size=" + std::to_string(mebibytes) + "m";
  is_mounted_ = ::mount("tmpfs", scratch_.path().c_str(), "tmpfs", 0, size.c_str()) == 0;
}

SmallMemoryDisk::~SmallMemoryDisk() {
  if (is_mounted_) umount2(scratch_.path().c_str(), MNT_DETACH);
}

}  // namespace casbook::test_support
