// The worker processes of `apply`: forked, watched, and replaced when they are killed.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "cli/apply_worker.h"
#include "cli/stop_signals.h"

namespace casbook::cli {

struct CrewReport {
  uint64_t killed = 0;             // workers ended by a signal
  bool is_stopped = false;         // by SIGINT or SIGTERM
  std::vector<Code> failures;      // what ended workers: the environment
  std::vector<uint32_t> given_up;  // workers that died again and again without an answer
  std::chrono::duration<double> duration{};
};

// Forks one worker for each share that is not empty and waits for all of them; the caller holds no
// attachment. A worker that is killed is replaced, and its successor goes on with the first row
// that has no answer. SIGINT: workers end after the row they are at; those that do not (a stopped
// process) are killed, as all are at a second SIGINT. The workers die with this process.
// `on_tick` is called ten times a second, and at the end, with the number of rows answered.
CrewReport run_crew(const ApplySetting& setting, const std::function<void(uint64_t)>& on_tick);

}  // namespace casbook::cli
