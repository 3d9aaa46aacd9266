// The command as a process: what it prints, and how it ends.
#pragma once

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "support/child_process.h"
#include "support/scratch_directory.h"

namespace casbook::test_support {

using Words = std::vector<std::string>;

struct Ended {
  int exit_code = -1;  // -1: by a signal
  std::string out, err;

  // Each line of the output as JSON; a line that is none throws, which fails the test.
  std::vector<nlohmann::json> objects() const {
    std::vector<nlohmann::json> list;
    for (size_t at = 0; at < out.size();) {
      const size_t end = out.find('\n', at);
      list.push_back(nlohmann::json::parse(out.substr(at, end - at)));
      at = end == out.npos ? out.size() : end + 1;
    }
    return list;
  }
  nlohmann::json object() const {
    const auto list = objects();
    return list.size() == 1 ? list[0] : nlohmann::json("not one object: " + out + err);
  }
};

// A command that was started. It dies with the test.
class Started {
 public:
  // `settings`: words NAME=VALUE for its environment. `out_fd`: its standard output, unless -1.
  Started(const std::string& program, const Words& words, const Words& settings = {},
          int out_fd = -1)
      : Started(
            [&] {
              std::vector<char*> argv{const_cast<char*>(program.c_str())};
              for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
              argv.push_back(nullptr);
              for (const std::string& setting : settings)
                putenv(const_cast<char*>(setting.c_str()));
              execv(program.c_str(), argv.data());
              return 127;
            },
            out_fd) {}
  // A fork that ends with what `body` returns.
  explicit Started(const std::function<int()>& body, int out_fd = -1)
      : out_(memfd_create("out", MFD_CLOEXEC)), err_(memfd_create("err", MFD_CLOEXEC)) {
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ < 0) std::abort();
    if (pid_ > 0) return;
    die_with(parent);
    dup2(out_fd >= 0 ? out_fd : out_, STDOUT_FILENO);
    dup2(err_, STDERR_FILENO);
    _exit(body());
  }
  ~Started() {
    if (pid_ >= 0) kill(pid_, SIGKILL);
    wait();
    close(out_);
    close(err_);
  }
  Started(const Started&) = delete;
  Started& operator=(const Started&) = delete;

  pid_t pid() const { return pid_; }
  std::string out_so_far() const { return content(out_); }
  std::string err_so_far() const { return content(err_); }
  bool has_ended() {
    if (pid_ >= 0 && waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
    return pid_ < 0;
  }
  // A command that does not end by itself is killed, so that a test fails instead of hanging.
  Ended wait() {
    if (!await([this] { return has_ended(); }, kSecondsMax)) {
      kill(pid_, SIGKILL);
      waitpid(pid_, &status_, 0);
      pid_ = -1;
    }
    return {WIFEXITED(status_) ? WEXITSTATUS(status_) : -1, content(out_), content(err_)};
  }

 private:
  static constexpr int kSecondsMax = 30;

  static std::string content(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) std::abort();
    std::string text(static_cast<size_t>(status.st_size), '\0');
    const ssize_t bytes = pread(fd, text.data(), text.size(), 0);
    text.resize(bytes > 0 ? static_cast<size_t>(bytes) : 0);
    return text;
  }

  int out_, err_;
  int status_ = 0;
  pid_t pid_ = -1;
};

// A directory of its own, and the command run in it.
class CommandBench {
 public:
  explicit CommandBench(std::string program) : program_(std::move(program)) {}

  Words words(const Words& given) const {
    Words all{"--dir", scratch_.path()};
    all.insert(all.end(), given.begin(), given.end());
    return all;
  }
  Ended run(const Words& given) const { return Started(program_, words(given)).wait(); }
  const std::string& directory() const { return scratch_.path(); }
  const std::string& program() const { return program_; }

 private:
  ScratchDirectory scratch_;
  std::string program_;
};

}  // namespace casbook::test_support
