// Child processes of a benchmark, and which core who runs on.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <sched.h>
#include <sys/types.h>

namespace casbook::bench {

struct Command {
  std::vector<std::string> words;  // the program first, looked up in PATH
  std::string output{};            // file that takes what it says; empty: thrown away
  const char* user = nullptr;      // runs as this user where the benchmark runs as root
  std::vector<std::pair<std::string, std::string>> environment{};  // beside the benchmark's own
  std::function<void()> before{};  // run in the new process, as the user of the benchmark
};

// Ended with the benchmark, however that ends.
class Process {
 public:
  Process() = default;
  explicit Process(const Command& command);
  Process(Process&& other) noexcept : pid_(other.pid_) { other.pid_ = 0; }
  Process& operator=(Process&& other) noexcept;
  ~Process() { stop(9); }

  pid_t pid() const { return pid_; }
  bool is_running();
  // Sends `signal`, waits for the end. The exit status; -1: it was killed, or never ran.
  int stop(int signal);
  // Waits for the end. As stop().
  int wait();

 private:
  pid_t pid_ = 0;
};

// Runs it to its end; whether it exited with 0.
bool run_to_end(const Command& command);

// All threads that the process has now, on this core. -1: on all cores.
void pin_process(pid_t pid, int core);
// The calling thread. Threads that it starts later go there too.
void pin_thread(int core);

// What a pin did is undone at the end of the scope.
class Pinned {
 public:
  explicit Pinned(int core) { pin_thread(core); }
  ~Pinned() { pin_thread(-1); }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
};

constexpr int kCallerCore = 0, kDaemonCore = 1;

// The last line of a file: what a server said before it gave up.
std::string last_line(const std::string& path);

}  // namespace casbook::bench
