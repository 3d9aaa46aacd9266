// The durable path with the engine taken out: callers hand bytes to a daemon process through shared
// memory and sleep; it writes and syncs them as the journal does, and wakes the callers. Blocking
// everywhere, on bare futexes.
#pragma once

#include <string>
#include <vector>

#include "durable/disk.h"
#include "floor.h"
#include "served/bell.h"

namespace casbook::bench {

// One caller: each round writes one block.
class RoundTripFloor {
 public:
  explicit RoundTripFloor(const std::string& folder);
  ~RoundTripFloor();
  RoundTripFloor(const RoundTripFloor&) = delete;
  RoundTripFloor& operator=(const RoundTripFloor&) = delete;

  void round();
  pid_t daemon() const { return daemon_; }

 private:
  [[noreturn]] void serve(const std::string& folder);

  Lines<CallLines> lines_;
  uint64_t rounds_ = 0;
  pid_t daemon_;
};

// Group commit: `callers` threads hand over a batch each and wait for the sync that covers it; what
// has come meanwhile is the next group. (Two or four writers, each with its own file and its share
// of the callers, so that several syncs are under way, brought nothing.)
class GroupFloor {
 public:
  struct Shape {
    uint32_t callers = 4;
    uint64_t records_per_batch = 1024, record_bytes = 0;
  };
  GroupFloor(const std::string& folder, const Shape& shape);
  ~GroupFloor();
  GroupFloor(const GroupFloor&) = delete;
  GroupFloor& operator=(const GroupFloor&) = delete;

  // Records per second of all callers, working for that long.
  double run(double seconds);

 private:
  [[noreturn]] void serve(const std::string& folder);
  void work(uint32_t caller, int64_t until_ns, uint64_t& batches);
  uint64_t batch_bytes() const { return shape_.records_per_batch * shape_.record_bytes; }
  std::byte* batch_of(uint32_t caller) const { return &slabs_[caller * batch_bytes()]; }

  Shape shape_;
  Lines<CallLines> lines_;       // by caller
  Lines<Bell> bell_;             // that somebody asked
  Lines<std::byte> slabs_;       // by caller: the batch handed over
  std::vector<uint64_t> asked_;  // by caller
  pid_t daemon_;
};

}  // namespace casbook::bench
