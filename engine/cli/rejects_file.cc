#include "cli/rejects_file.h"

#include <cerrno>
#include <cstring>

#include <unistd.h>

#include "cli/csv.h"

namespace casbook::cli {

namespace {

Error cannot_write(const std::string& path) {
  return {.code = Code::io_error,
          .detail = "--rejects: cannot write " + path + ": " + std::strerror(errno)};
}

}  // namespace

RejectsFile::RejectsFile(std::string path)
    : path_(std::move(path)), temporary_(path_ + ".part" + std::to_string(getpid())) {}

RejectsFile::~RejectsFile() {
  if (!file_) return;
  std::fclose(file_);
  std::remove(temporary_.c_str());
}

Result<void> RejectsFile::open() {
  file_ = std::fopen(temporary_.c_str(), "we");
  if (!file_) return cannot_write(path_);
  std::fputs("line,payment_id,reason,detail,final\n", file_);
  if (std::fflush(file_) != 0) return cannot_write(path_);
  return {};
}

void RejectsFile::add(uint64_t line, const std::string& payment_id, const Error& why) {
  const std::string detail = why.detail.empty() ? code_text(why.code) : why.detail;
  const std::string row = std::to_string(line) + "," + csv_field(payment_id) + "," +
                          code_name(why.code) + "," + csv_field(detail) + "," +
                          (why.is_final() ? "true" : "false") + "\n";
  std::fwrite(row.data(), 1, row.size(), file_);
}

Result<void> RejectsFile::finish() {
  const bool is_written = std::ferror(file_) == 0 && std::fflush(file_) == 0;
  if (!is_written || std::rename(temporary_.c_str(), path_.c_str()) != 0)
    return cannot_write(path_);
  std::fclose(file_);
  file_ = nullptr;
  return {};
}

}  // namespace casbook::cli
