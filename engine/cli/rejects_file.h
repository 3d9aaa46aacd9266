// The rejects file: every row of `apply` that moved no money, and why.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include <casbook/result.h>

namespace casbook::cli {

// Columns: line (of the input), payment_id, reason (a code), detail, final (true: the same row will
// get the same answer; false: it may be sent again). Written beside its name and renamed at the
// end, so that an older one stays whole until then. Always written, if only with its header.
class RejectsFile {
 public:
  explicit RejectsFile(std::string path);
  ~RejectsFile();  // without finish(): nothing is left behind
  RejectsFile(const RejectsFile&) = delete;
  RejectsFile& operator=(const RejectsFile&) = delete;

  // io_error, naming the path. Before anything is paid: a full disk is found early.
  Result<void> open();
  void add(uint64_t line, const std::string& payment_id, const Error& why);
  Result<void> finish();

 private:
  std::string path_, temporary_;
  std::FILE* file_ = nullptr;
};

}  // namespace casbook::cli
