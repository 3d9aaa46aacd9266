// A small arena in anonymous memory: what commit and log need and nothing more, formatted anew in
// microseconds. All its cells are accounts of three words.
#pragma once

#include <memory>
#include <optional>

#include "arena/arena.h"
#include "commit/store.h"

namespace casbook::test {

struct ArenaShape {
  uint32_t sessions = 3;
  uint32_t accounts = 4;
  uint64_t ring = 64;  // log slots; more than log_margin(sessions)
  uint64_t blocks = 8;
  uint64_t block_bytes = 2048;
  auto operator<=>(const ArenaShape&) const = default;
};

class MemoryArena {
 public:
  explicit MemoryArena(const ArenaShape& shape);
  // One of this shape, made once and kept: mapping costs more than a short exploration.
  static MemoryArena& of_shape(const ArenaShape& shape);

  // As created: every word of every account is 0, the first holds `available`. The first commit
  // will be at `first`, in its term.
  void format(bool gate_open, uint64_t available, Position first = commit::kFirstPosition);

  const ArenaShape& shape() const { return shape_; }
  const commit::Store& store() const { return *store_; }
  const arena::Mapping& mapping() const { return *mapping_; }
  commit::Unit account(uint32_t index) const { return index; }
  // What kind of word an address is: equal for the status of every descriptor, and so on. 0 for one
  // outside the arena.
  uint32_t kind_of(const void* address) const;
  // Whether two processes contend for the word: not so for what only its session stores to, while
  // nothing is reused.
  bool is_contended(const void* address) const;

 private:
  std::byte* base() const {
    return reinterpret_cast<std::byte*>(&mapping_->control()) - arena::kControlOffset;
  }

  ArenaShape shape_;
  std::unique_ptr<arena::Mapping> mapping_;
  std::optional<commit::Store> store_;
};

}  // namespace casbook::test
