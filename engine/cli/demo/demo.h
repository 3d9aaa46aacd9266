// The demo: a book of its own, five processes on it, two kinds of accidents, and what is left to
// say about it in the end.
//
//   gateway          submits made-up payments as fast as they are answered, some of them twice
//   worker 1, 2      settle: pay out to merchants, under leases, guarded by the token
//   risk             takes consistent snapshots, read-only
//   supervisor       this process: starts, kills, stops, watches, judges; never pays while they run
#pragma once

#include <cstdint>
#include <string>

namespace casbook::cli::demo {

struct DemoOptions {
  std::string directory = "/dev/shm";
  uint64_t seconds = 15;          // the run ends sooner when every order is answered
  uint64_t seed = 1;              // of the payments
  uint64_t payments = 7'000'000;  // at most; fewer where memory is short
  bool json = false;
};

enum class DemoEnd { every_claim_holds, a_claim_failed, cannot_run };

// Prints as it goes. The book's name is gone when this returns, or when SIGINT, SIGTERM or SIGHUP
// end the process: that is delayed until then. SIGKILL leaves the book behind.
DemoEnd run_demo(const DemoOptions& options);

}  // namespace casbook::cli::demo
