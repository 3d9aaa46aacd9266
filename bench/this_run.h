// What a result is kept with: which tree, where and when.
#pragma once

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>
#include <thread>

#include <sys/utsname.h>
#include <nlohmann/json.hpp>

namespace casbook::bench {

inline std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.compare(0, 10, "model name") == 0) return line.substr(line.find(':') + 2);
  return {};
}

// The commit is told by the script that runs the program.
inline nlohmann::json about_this_run(const char* program) {
  utsname system;
  uname(&system);
  char date[32];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  const char* commit = std::getenv("CASBOOK_BENCH_COMMIT");
  const std::string processors = std::to_string(std::thread::hardware_concurrency());
  return {{"program", program},
          {"commit", commit ? commit : ""},
          {"machine", processor() + ", " + processors + " processors"},
          {"kernel", system.release},
          {"date", date}};
}

}  // namespace casbook::bench
