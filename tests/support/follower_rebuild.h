// Building a follower's arena from a leader's records, kept in a journal.
#pragma once

#include "daemon/follower_arena.h"
#include "support/replica_arena.h"

namespace casbook::test_support {

inline daemon::FollowerArenaOptions follower_options(const std::string& directory,
                                                     uint64_t to_lsn) {
  return {.shm_directory = directory,
          .journal_id = kTestJournalId,
          .promised_term = 9,
          .cluster = 77,
          .node = 2,
          .to_lsn = to_lsn};
}

// Of an empty book like that.
inline arena::CreateRequest empty_request(const arena::Mapping& of) {
  return must(journal::request_of(must(journal::shape_of(of)), "/nowhere"));
}

}  // namespace casbook::test_support
