// A book that a cluster keeps, as its sessions see it: what a daemon would tell is told by the
// test, or by a thread that agrees with everything.
#pragma once

#include <thread>

#include "base/clock.h"
#include "log/durable.h"
#include "replicate/announce.h"
#include "support/replica_arena.h"

namespace casbook::test_support {

inline uint64_t in_an_hour() {
  return static_cast<uint64_t>(base::monotonic_ns() + 3'600'000'000'000);
}

// Node 1 leads.
inline void announce_leading(const commit::Store& store, uint64_t term) {
  replicate::announce_cluster(store, 77, 1);
  replicate::announce_leader(store, {1, term, "10.0.0.1:7400"});
  replicate::announce_leading_until(store, in_an_hour());
  replicate::announce_role(store, arena::ReplicaRole::leading);
}
// Node 2 does.
inline void announce_following(const commit::Store& store, uint64_t term) {
  replicate::announce_cluster(store, 77, 1);
  replicate::announce_leading_until(store, 1);
  replicate::announce_leader(store, {2, term, "10.0.0.2:7400"});
  replicate::announce_role(store, arena::ReplicaRole::following);
}

// While it lives, a majority has everything at once and confirms who leads.
class WillingMajority {
 public:
  explicit WillingMajority(const commit::Store& store)
      : thread_([&store](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            log::Record record;
            if (log::fetch(store, log::log_end(store) - 1, record) == log::Fetch::got)
              log::publish_quorum(store, record.position);
            replicate::announce_confirmed(store, replicate::asked_round(store));
            sleep_us(500);
          }
        }) {}

 private:
  static void sleep_us(long us) {
    const timespec nap{0, us * 1000};
    nanosleep(&nap, nullptr);
  }
  std::jthread thread_;
};

// Puts an empty file in the place of a book's, its gate shut; `meanwhile` runs when the old one is
// retired and still has the name.
inline void replace_book(
    const arena::Mapping& old, const std::string& directory,
    const std::function<void()>& meanwhile = [] {}) {
  auto request = must(journal::request_of(must(journal::shape_of(old)), directory));
  const commit::Store store(old);
  must(arena::replace(
      request,
      [](arena::Mapping& mapping) -> Result<void> {
        commit::Store::format(mapping, false);
        announce_following(commit::Store(mapping), 3);
        return {};
      },
      [&] {
        replicate::announce_retired(store);
        meanwhile();
      }));
}

}  // namespace casbook::test_support
