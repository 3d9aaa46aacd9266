// Which disk each node of the cluster was first met with. A node that lost its disk has forgotten
// whom it voted for and what it acknowledged; under its old id it would break what Raft's
// majorities rest on. So an id stands for one disk, until it is removed from the cluster.
//
// Every directory has a random number of its own (journal/state_file.h). It is pinned, synced, when
// a node of that id has proven for the first time that it lives and knows the key (PROTOCOL.md,
// section 12), before anything else that it says is taken.
//
// Not thread-safe. admit() writes and syncs when it meets somebody for the first time.
#pragma once

#include <map>
#include <optional>
#include <span>

#include "journal/storage.h"

namespace casbook::replicate {

class PeerDisks {
 public:
  static constexpr size_t kMax = 64;

  // The file `peers` of that storage; none yet: nobody was met. Errors: damaged, format_newer,
  // those of the storage.
  static Result<PeerDisks> open(journal::Storage& storage);

  // False: that node was met with another disk, or the disk here fails (failure()). A node whose
  // number is 0 has none to tell and is never pinned.
  bool admit(uint64_t node, uint64_t storage_id);
  uint64_t known(uint64_t node) const;  // 0: not met yet
  // All but these are forgotten: whoever comes under the id of a node that was removed is new.
  Result<void> keep_only(std::span<const uint64_t> nodes);
  // This node's own disk failed, for good.
  const std::optional<Error>& failure() const { return failure_; }

 private:
  explicit PeerDisks(journal::Storage& storage) : storage_(&storage) {}
  Result<void> save() const;

  journal::Storage* storage_;
  std::map<uint64_t, uint64_t> disks_;  // by node
  std::optional<Error> failure_;
};

}  // namespace casbook::replicate
