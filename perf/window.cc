#include "window.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <fcntl.h>
#include <unistd.h>

namespace casbook::perf {
namespace {

alignas(64) volatile uint64_t marker[8];

int opened(const std::string& path, int flags) {
  if (path.empty()) return -1;
  const int fd = open(path.c_str(), flags | O_CLOEXEC);
  if (fd >= 0) return fd;
  std::fprintf(stderr, "perf_driver: %s: %s\n", path.c_str(), std::strerror(errno));
  std::exit(1);
}

}  // namespace

// Read and written, so that opening a FIFO waits for nobody.
Window::Window(const std::string& commands, const std::string& answers)
    : commands_(opened(commands, O_RDWR)), answers_(opened(answers, O_RDWR)) {}

void Window::tell(const char* command) {
  if (commands_ < 0) return;
  char answer[16];
  const auto bytes = static_cast<ssize_t>(std::strlen(command));
  if (write(commands_, command, std::strlen(command)) == bytes &&
      (answers_ < 0 || read(answers_, answer, sizeof answer) > 0))
    return;
  std::fprintf(stderr, "perf_driver: the profiler does not answer\n");
  std::exit(1);
}

void mark() { marker[0] = marker[0] + 1; }

void print_marker() {
  std::printf("marker %lx\n", reinterpret_cast<unsigned long>(&marker[0]));
  std::fflush(stdout);
}

void print_books() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const size_t dash = line.find('-'), blank = line.find(' ');
    if (line.find("/dev/shm/") == line.npos) continue;
    std::printf("book %s %s\n", line.substr(0, dash).c_str(),
                line.substr(dash + 1, blank - dash - 1).c_str());
  }
  std::fflush(stdout);
}

}  // namespace casbook::perf
