#include "support/hunt.h"

#include <sys/wait.h>
#include <unistd.h>

#include "support/scenario.h"

namespace casbook::test {

namespace {

std::string run_all(std::span<const Scenario> scenarios) {
  for (const Scenario& scenario : scenarios) {
    const std::string violation = scenario.run();
    // A scenario that did not come to its place has seen nothing.
    if (!violation.empty() && !violation.starts_with("setup"))
      return std::string(scenario.name) + ": " + violation;
  }
  return "";
}

}  // namespace

std::string run_core_scenarios() {
  const std::string violation = run_all(commit_scenarios());
  return violation.empty() ? run_all(gate_scenarios()) : violation;
}

std::string run_scenarios() {
  const std::string violation = run_core_scenarios();
  return violation.empty() ? run_all(follower_scenarios()) : violation;
}

std::string run_long_scenarios() { return run_all(log_scenarios()); }

std::string hunt_in_child(unsigned seconds_max, const std::function<std::string()>& hunt) {
  int ends[2];
  if (pipe(ends) != 0) return "";
  const pid_t child = fork();
  if (child == 0) {
    alarm(seconds_max);
    const std::string violation = hunt();
    (void)!write(ends[1], violation.data(), violation.size());
    _exit(0);
  }
  close(ends[1]);
  std::string caught;
  char text[256];
  for (ssize_t got; (got = read(ends[0], text, sizeof text)) > 0;)
    caught.append(text, static_cast<size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status))
    caught = WTERMSIG(status) == SIGABRT ? "an assert of the engine" : "it never ends";
  return caught;
}

}  // namespace casbook::test
