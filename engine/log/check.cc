#include "log/check.h"

#include "log/follower.h"
#include "log/log_reader.h"

namespace casbook::log {

using arena::Region;

void check_records(const commit::Store& store, base::Findings& findings) {
  const uint64_t end = log_end(store);
  const uint64_t ring = store.ring_slots();
  const uint64_t oldest = end > ring ? end - ring : commit::kFirstLsn;
  Record record;
  for (uint64_t lsn = std::max(log_floor(store), oldest); lsn < end && !findings.is_full(); ++lsn)
    findings.check([&] {
      return fetch(store, lsn, record) == Fetch::damaged
                 ? "record at LSN " + std::to_string(lsn) + " is damaged"
                 : std::string();
    });
}

void check_blocks(const commit::Store& store, base::Findings& findings) {
  const auto* states = store.mapping().region<base::AtomicU64>(Region::block_states);
  const arena::Geometry& geometry = store.mapping().geometry();
  for (uint64_t i = 0; i < geometry.blocks && !findings.is_full(); ++i)
    findings.check([&]() -> std::string {
      const uint64_t state = states[i].load_acquire();            // [block]
      const uint64_t tail = store.control().tail.load_acquire();  // [tail]
      if ((state & 1) && (state >> 1) - 1 >= store.sessions())
        return "block " + std::to_string(i) + " is owned by session " +
               std::to_string((state >> 1) - 1) + ", which is none";
      if (!(state & 1) && state >> 1 >= tail + store.ring_slots())
        return "block " + std::to_string(i) + " holds LSN " + std::to_string(state >> 1);
      return "";
    });
  for (uint32_t i = 0; i < store.sessions() && !findings.is_full(); ++i)
    findings.check([&]() -> std::string {
      const uint64_t open = store.session(i).open_block.load_relaxed();
      const bool is_possible = open == 0 || ((open >> 32) - 1 < geometry.blocks &&
                                             (open & 0xffffffff) <= geometry.block_bytes);
      return is_possible ? "" : "session " + std::to_string(i) + " writes outside of every block";
    });
}

void check_followers(const commit::Store& store, base::Findings& findings) {
  const auto* slots = store.mapping().region<FollowerSlot>(Region::followers);
  for (uint32_t i = 0; i < kFollowersMax; ++i)
    findings.check([&]() -> std::string {
      const std::string which = "follower " + std::to_string(i) + ": ";
      const uint64_t state = slots[i].claim.lo.load_relaxed() & 3;  // looked at several times
      const uint64_t next = slots[i].next.lo.load_relaxed();
      const uint64_t tail = store.control().tail.load_acquire();  // [tail]
      if (state > 2) return which + "state " + std::to_string(state);
      if (state == 2 && slots[i].policy.load_relaxed() > 1) return which + "policy";
      if (state == 2 && next > tail + store.ring_slots())
        return which + "waits for LSN " + std::to_string(next);
      return "";
    });
}

}  // namespace casbook::log
