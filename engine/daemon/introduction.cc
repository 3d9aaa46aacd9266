#include "daemon/introduction.h"

#include <algorithm>
#include <cstring>

#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

namespace casbook::daemon {

void introduce_daemon(arena::JournalLines& lines, std::string_view journal_directory) {
  constexpr size_t kWords = sizeof lines.directory / sizeof(uint64_t);
  uint64_t words[kWords] = {};
  std::memcpy(words, journal_directory.data(),
              std::min(journal_directory.size(), sizeof words - 1));
  for (size_t i = 0; i < kWords; ++i) lines.directory[i].store_relaxed(words[i]);
  lines.pid.store_relaxed(static_cast<uint64_t>(getpid()));
  lines.started_ms.store_relaxed(static_cast<uint64_t>(base::wall_clock_ms()));
}

uint64_t random_number() {
  uint64_t number = 0;
  while (number == 0)
    if (getrandom(&number, sizeof number, 0) != sizeof number) number = 0;
  return number;
}

}  // namespace casbook::daemon
