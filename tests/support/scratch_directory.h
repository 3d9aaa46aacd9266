// A directory in shared memory for one test, removed with all it holds.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>

namespace casbook::test_support {

class ScratchDirectory {
 public:
  ScratchDirectory() {
    char name[] = "/dev/shm/casbook-test-XXXXXX";
    if (!mkdtemp(name)) std::abort();
    path_ = name;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::set<std::string> entries() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      names.insert(entry.path().filename().string());
    return names;
  }

 private:
  std::string path_;
};

}  // namespace casbook::test_support
