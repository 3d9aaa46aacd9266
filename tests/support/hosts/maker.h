// A process that makes namespaces and ends; they live on in descriptors of the process that asked.
#pragma once

#include <functional>
#include <string>

#include <sys/types.h>

namespace casbook::test_support {

class Maker {
 public:
  // Runs `make` in a fork and waits for it. It may hand one descriptor back, and says what was in
  // the way; empty: nothing.
  explicit Maker(const std::function<std::string(int&)>& make);
  ~Maker();
  Maker(const Maker&) = delete;
  Maker& operator=(const Maker&) = delete;

  const std::string& why_not() const { return why_not_; }
  int descriptor() const { return descriptor_; }  // now the caller's; -1: none
  // "net", "mnt": of the process. Now the caller's; -1: it cannot be had.
  int open_namespace(const char* kind);

 private:
  pid_t pid_;
  int channel_ = -1, descriptor_ = -1;
  std::string why_not_;
};

}  // namespace casbook::test_support
