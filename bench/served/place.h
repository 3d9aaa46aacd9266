// Where a benchmark of the disk works: a fresh directory on a real disk, removed at the end.
#pragma once

#include <string>

#include <sys/types.h>

namespace casbook::bench {

// Below $CASBOOK_BENCH_DIR, or else below the folder that the program was built in. Memory has no
// sync to measure, so a tmpfs ends the program with a message. A fork that exits removes nothing.
class Place {
 public:
  explicit Place(const char* purpose);
  ~Place();
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  const std::string& path() const { return path_; }
  // A folder in it, made now.
  std::string folder(const char* name) const;

 private:
  std::string path_;
  pid_t owner_;
};

// The command `casbook` of this build.
const char* casbook_command();

}  // namespace casbook::bench
