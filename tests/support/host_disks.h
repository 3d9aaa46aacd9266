// A disk of its own for each host's journal, which a test fills and stops: a small ext4 in a file
// on another one, both through loop devices. Whoever freezes the outer one stops the device of the
// inner one, and nothing else.
#pragma once

#include "support/host_process.h"

namespace casbook::test_support {

class HostDisks {
 public:
  // Before anything is in the journals. `mebibytes`: of each, sparse.
  HostDisks(const Hosts& hosts, uint32_t mebibytes);

  bool are_there() const { return why_not_.empty(); }
  const std::string& why_not() const { return why_not_; }

  // Nothing is written there for so long. Comes back at once; the disk is thawed by a process that
  // outlives a test that is killed: nobody else would.
  void freeze_for(uint32_t host, int64_t us) const;
  // To its last byte.
  void fill(uint32_t host) const;
  void make_room(uint32_t host) const;

 private:
  const Hosts& hosts_;
  std::string why_not_;
};

}  // namespace casbook::test_support
