// `casbook serve` as a process that a test starts, strikes, stops and kills, and where it works.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/probe.h"
#include "support/command.h"
#include "support/strike.h"

namespace casbook::test_support {

// A directory on the disk of the temporary files, removed with all it holds.
class DiskDirectory {
 public:
  DiskDirectory();
  ~DiskDirectory();
  DiskDirectory(const DiskDirectory&) = delete;
  DiskDirectory& operator=(const DiskDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Where a daemon works: the book in a scratch directory, the journal in another one.
struct DaemonPlace {
  std::string program, book = "b", shm, journal;
  Words limits{"--accounts", "64",   "--payments", "50000", "--sessions", "16",
               "--records",  "4096", "--leases",   "32",    "--ledgers",  "4"};

  std::string more_config{};  // behind the rest

  std::string arena_file() const { return shm + "/casbook." + book; }
  std::string config_file() const { return shm + "/serve.toml"; }
  // Segments of the least size: they are rotated often.
  void write_config() const;
};

// How often each fault point was passed, by any thread of the process.
using PointCounts = std::array<std::atomic<uint64_t>, kFaultPoints>;
void count_points(PointCounts& counts);

// It takes SIGTERM as a question; before, while it is loaded, that ends it like any process.
bool answers_stop(pid_t daemon);

class DaemonProcess {
 public:
  // `strike` with `point` count: none.
  explicit DaemonProcess(const DaemonPlace& place, const Strike& strike = {});
  // In a fork of this process, after `before`, which may set probes and clocks. Ends with 0 or 3.
  DaemonProcess(const DaemonPlace& place, const std::function<void()>& before);

  pid_t pid() const { return process_->pid(); }
  // It has said that durable payments are answered. False: it has ended.
  bool await_serving();
  bool await_answering_stop();  // false: it has ended
  bool has_ended() { return process_->has_ended(); }
  bool is_stopped() const;  // by SIGSTOP
  void signal(int number) { signal_process(process_->pid(), number); }
  // SIGTERM, and how it ended; what was struck meanwhile ends with -1.
  Ended stop();
  Ended kill();
  Ended wait() { return process_->wait(); }
  std::string events() const { return process_->err_so_far(); }

 private:
  std::unique_ptr<Started> process_;
};

}  // namespace casbook::test_support
