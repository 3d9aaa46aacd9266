// A small real disk: ext4 in a file, mounted through a loop device. Only root can, and not in every
// container: a test skips itself where is_there() is false.
#pragma once

#include <memory>
#include <string>

#include "support/command.h"

namespace casbook::test_support {

class LoopDisk {
 public:
  // `folder` holds the image, of `mebibytes` but sparse.
  LoopDisk(const std::string& folder, int mebibytes);
  ~LoopDisk();
  LoopDisk(const LoopDisk&) = delete;
  LoopDisk& operator=(const LoopDisk&) = delete;

  bool is_there() const { return is_mounted_; }
  const std::string& why_not() const { return why_not_; }
  const std::string& path() const { return path_; }  // where it is mounted
  const std::string& image() const { return image_; }
  bool remount_read_only() { return run({"mount", "-o", "remount,ro", path_}); }
  bool unmount();
  bool mount();

 private:
  bool run(const Words& words);

  std::string image_, path_, why_not_;
  bool is_mounted_ = false;
};

// Fills the file system that `path` lies on, to its last byte; gone with remove().
class Filler {
 public:
  explicit Filler(std::string path);
  ~Filler() { remove(); }
  Filler(const Filler&) = delete;
  Filler& operator=(const Filler&) = delete;
  void remove();

 private:
  std::string path_;
};

// A tmpfs of its own. Only root can.
class SmallMemoryDisk {
 public:
  explicit SmallMemoryDisk(int mebibytes);
  ~SmallMemoryDisk();
  SmallMemoryDisk(const SmallMemoryDisk&) = delete;
  SmallMemoryDisk& operator=(const SmallMemoryDisk&) = delete;
  bool is_there() const { return is_mounted_; }
  const std::string& path() const { return scratch_.path(); }

 private:
  ScratchDirectory scratch_;
  bool is_mounted_ = false;
};

}  // namespace casbook::test_support
