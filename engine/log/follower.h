// Followers: readers that the ring waits for (a journal, replication, an auditor).
//
// A follower registers by name and holds every record from its position on. What a full ring does
// is its policy: refuse payments with `backpressure`, or drop the follower. A dead follower goes on
// holding (its name resumes where it stopped) until it is resumed, dropped or removed.
//
//   free --CAS--> claiming --> active --> free
//
// Every claim, and every resumption, has a generation of its own, and a position is stored only
// under the generation of whoever stores it: a follower that was stopped, dropped or superseded and
// wakes late moves nobody's position.
//
// Crash windows: F1 claiming, by a dead attachment: the next registration takes the slot. F2
// active, keep not lowered yet: nobody was promised anything; resuming the name begins at the
// floor. F3 resumed, the position still under the former generation: the next resumption takes it
// from there. F4 two slots of one name, registered at once by processes of which one died: whoever
// opens the name next keeps the lower one and what both held.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "arena/attachment.h"
#include "commit/retention.h"
#include "log/log_reader.h"

namespace casbook::log {

enum class FullPolicy : uint64_t { refuse_payments = 0, drop_follower = 1 };

constexpr uint32_t kFollowerNameBytesMax = 32;

// Two cache lines. Writer: its follower; claim also by whoever drops or re-uses it.
struct alignas(128) FollowerSlot {
  base::AtomicPair claim;  // {generation << 2 | 0 free, 1 claiming, 2 active; AttachmentRef}
  base::AtomicPair next;   // {LSN it needs next, generation of the claim that says so}
  base::AtomicU64 policy;
  base::AtomicU64 name[4];  // zero-filled
  base::AtomicU64 reserved[7];
};
static_assert(sizeof(FollowerSlot) == 128 && offsetof(FollowerSlot, next) == 16);
static_assert(offsetof(FollowerSlot, policy) == 32 && offsetof(FollowerSlot, name) == 40);
static_assert(std::is_standard_layout_v<FollowerSlot> &&
              std::has_unique_object_representations_v<FollowerSlot>);

class Follower {
 public:
  // Registers `name`, or resumes it where it stopped; whoever followed under it until now is
  // superseded. A new follower starts at the end of the log, or at the oldest record held.
  // Errors: bad_argument, followers_full.
  enum class Start { end, oldest };
  static Result<Follower> open(const commit::Store& store, arena::AttachmentRef owner,
                               std::string_view name, FullPolicy policy, Start start);

  // The next record, without giving it up yet. overrun: this follower was dropped or superseded.
  Fetch next(Record& record);
  // Everything returned by next() so far may be overwritten.
  void release();
  // Everything below `lsn` may be overwritten: for a reader that fetches by itself.
  void release_up_to(uint64_t lsn) {
    next_ = lsn;
    release();
  }
  // Not dropped, removed or superseded.
  bool is_current() const;
  // Takes the registration back; the ring waits no more.
  void remove();

  uint64_t next_lsn() const { return next_; }

 private:
  Follower(const commit::Store& store, uint32_t slot, uint64_t claim, uint64_t next)
      : store_(&store), slot_(slot), claim_(claim), next_(next) {}
  static Result<Follower> resume(const commit::Store& store, uint32_t index, uint64_t owner);
  static Result<Follower> claim_slot(const commit::Store& store, uint64_t owner,
                                     std::string_view name, FullPolicy policy);
  void store_position();

  const commit::Store* store_;
  uint32_t slot_;
  uint64_t claim_;
  uint64_t next_;
};

struct FollowerInfo {
  std::string name;
  uint64_t next_lsn, lag;
  FullPolicy policy;
  bool is_alive;
};
// For status: every active follower.
std::vector<FollowerInfo> list_followers(const commit::Store& store);
// Whether a live process follows under `name`. Cost: the system calls of one proof of life.
bool is_followed(const commit::Store& store, std::string_view name);

// Drops the followers whose policy says so and that lag furthest; not if it is enough to count in
// how far they are, which a stopped one may have left undone. True: there may be room now.
bool drop_laggards(const commit::Store& store);

}  // namespace casbook::log
