// Just enough of a leader and its followers to move entries over a mesh: the leader refers to what
// it has, goes back when it is told to or hears nothing for a while; followers append and answer.
// Elections are not here: the leader is given.
#pragma once

#include <map>
#include <string>

#include "support/datagram_mesh.h"

namespace casbook::test_support {

class MeshLeader {
 public:
  MeshLeader(Mesh& mesh, uint64_t leader, std::vector<uint64_t> followers, uint64_t term = 1);

  // To the leader's log, of so many bytes; sent by the next beat().
  void append(uint32_t bytes);
  // Refers to what is new; heartbeats, and what was not answered for 30 ms, every 10 ms.
  void beat();
  bool all_have_all();
  // What went wrong: an entry that differs, out of order; empty: nothing.
  const std::string& fault() const { return fault_; }
  uint64_t deliveries() const { return deliveries_; }

 private:
  struct Follower {
    uint64_t next = 1, match = 0;
    int64_t heard_ns = 0;
  };

  void got(uint64_t node, uint64_t from, replicate::Message&& message);
  void follow(uint64_t node, uint64_t from, const replicate::AppendEntries& message);
  void answered(uint64_t from, const replicate::AppendResult& message);

  Mesh& mesh_;
  uint64_t leader_, term_;
  std::map<uint64_t, Follower> followers_;
  int64_t beaten_ns_ = 0;
  uint64_t round_ = 0, deliveries_ = 0;
  std::map<uint64_t, uint64_t> rounds_;
  std::string fault_;
};

}  // namespace casbook::test_support
