// Which old segments somebody is still reading, though checkpoints make them superfluous.
//
// Thread-safe. A hold is given back when it is destroyed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

namespace casbook::journal {

class SegmentHolds {
 public:
  class Hold {
   public:
    Hold(SegmentHolds& holds, uint64_t id) : holds_(holds), id_(id) {}
    ~Hold() {
      const std::lock_guard lock(holds_.mutex_);
      holds_.from_.erase(id_);
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    // Only what has records from there on.
    void narrow(uint64_t lsn) {
      const std::lock_guard lock(holds_.mutex_);
      holds_.from_[id_] = lsn;
    }

   private:
    SegmentHolds& holds_;
    const uint64_t id_;
  };

  // At first all that is there.
  std::unique_ptr<Hold> hold() {
    const std::lock_guard lock(mutex_);
    from_[++last_id_] = 0;
    return std::make_unique<Hold>(*this, last_id_);
  }
  // Segments with records from this LSN on have to stay; UINT64_MAX: none.
  uint64_t lowest() const {
    const std::lock_guard lock(mutex_);
    uint64_t lowest = UINT64_MAX;
    for (const auto& [id, lsn] : from_) lowest = std::min(lowest, lsn);
    return lowest;
  }

 private:
  mutable std::mutex mutex_;
  std::map<uint64_t, uint64_t> from_;
  uint64_t last_id_ = 0;
};

}  // namespace casbook::journal
