// What a book says of the journal that a daemon keeps of it (casbook serve).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <casbook/types.h>

namespace casbook {

struct JournalStatus {
  bool journaled = false;      // whether a daemon ever kept a journal of this book
  std::string id{};            // 16 hexadecimal digits
  // none, serving, no_space (waiting for room), stopped, failed; dead: its daemon ended without
  // saying so, and another may resume.
  std::string state = "none";
  std::string error{};         // of no_space and failed: what the system said
  int64_t pid = 0;             // of the daemon; for people only
  int64_t started_ms = 0;
  std::string directory{};
  Position durable{};          // everything up to here is synced
  uint64_t lag = 0;            // records that are not
  // Of the last syncs, by powers of two: right within a factor of two. 0: none yet.
  uint64_t sync_p50_us = 0, sync_p99_us = 0, sync_max_us = 0;
  uint64_t segments = 0, journal_bytes = 0;  // that are kept
  Position checkpoint{};       // of the last one; {}: none yet
  int64_t checkpoint_ms = 0;
  uint64_t checkpoint_bytes = 0;
  std::chrono::milliseconds checkpoint_took{};
  uint64_t checkpoint_failures = 0;
};

}  // namespace casbook
