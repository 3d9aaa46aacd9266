// The worker processes of a command that runs.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include <sys/types.h>

namespace casbook::test_support {

struct WorkerProcess {
  pid_t pid = -1;
  char state = '?';  // as in /proc/PID/stat: R, S, T stopped, Z ended but not reaped
};

// Those alive when each was looked at.
inline std::vector<WorkerProcess> workers_of(pid_t parent) {
  std::vector<WorkerProcess> list;
  const std::string folder = "/proc/" + std::to_string(parent);
  std::ifstream children(folder + "/task/" + std::to_string(parent) + "/children");
  for (pid_t pid; children >> pid;) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    if (!std::getline(file, text)) continue;
    const size_t end_of_name = text.rfind(") ");
    if (end_of_name == text.npos) continue;
    const char state = text[end_of_name + 2];
    if (state != 'Z') list.push_back({pid, state});
  }
  return list;
}

}  // namespace casbook::test_support
