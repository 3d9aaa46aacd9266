// The replicated path with the engine and Raft taken out: callers hand bytes to a daemon process by
// a futex in shared memory; it seals them and multicasts them to follower processes on other hosts;
// each opens them and answers by unicast; when a majority has them the callers are woken. What was
// lost is sent again from there on.
//
// `durable`: each host writes the bytes and syncs them before its answer counts, as the journal
// does.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "floor.h"
#include "served/bell.h"
#include "support/hosts/hosts.h"

namespace casbook::bench {

struct FloorShape {
  uint32_t callers = 1;
  uint64_t records_per_batch = 1, record_bytes = 0;
  bool is_durable = false;
  uint32_t mtu = 1500;
};

// What callers and the leading daemon share.
struct FloorLines {
  explicit FloorLines(const FloorShape& shape)
      : calls(shape.callers),
        bell(1),
        ready(1),
        slabs(shape.callers * shape.records_per_batch * shape.record_bytes) {}
  Lines<CallLines> calls;  // by caller
  Lines<Bell> bell;        // that somebody asked
  Lines<Bell> ready;       // daemons that have begun
  Lines<std::byte> slabs;  // by caller: the batch handed over
};

class NetworkFloor {
 public:
  // Host 1 leads. Called from the thread that goes on to live.
  NetworkFloor(const test_support::Hosts& hosts, const FloorShape& shape);
  ~NetworkFloor();
  NetworkFloor(const NetworkFloor&) = delete;
  NetworkFloor& operator=(const NetworkFloor&) = delete;

  // One batch of the first caller.
  void round() { hand_over(0); }
  // Records per second of all callers, working for that long.
  double run(double seconds);
  pid_t daemon_of(uint32_t host) const { return daemons_[host - 1]; }

 private:
  void hand_over(uint32_t caller);
  void work(uint32_t caller, int64_t until_ns, uint64_t& batches);

  FloorShape shape_;
  FloorLines lines_;
  std::vector<uint64_t> asked_;  // by caller
  std::vector<pid_t> daemons_;
};

}  // namespace casbook::bench
