// The arena of a follower: of the shape of a leader's book, empty, its gate shut; and a leader that
// has done everything that makes a record of its own.
#pragma once

#include <string>
#include <vector>

#include "log/log_reader.h"
#include "replicate/replica.h"
#include "support/small_book.h"
#include "support/twin.h"

namespace casbook::test_support {

// An attached arena with a replica in it.
class ReplicaArena {
 public:
  ReplicaArena(const std::string& directory, const std::string& name)
      : mapping_(must(arena::attach(directory, name, arena::Access::read_write))),
        store_(*mapping_),
        attachment_(must(arena::Attachment::open(
            *mapping_,
            [this](uint32_t session) { commit::Executor(store_).run_session(session); }))),
        replica_(must(replicate::Replica::open(store_, *attachment_))) {}

  const arena::Mapping& mapping() const { return *mapping_; }
  const commit::Store& store() const { return store_; }
  replicate::Replica& operator*() const { return *replica_; }
  replicate::Replica* operator->() const { return replica_.get(); }

 private:
  std::unique_ptr<arena::Mapping> mapping_;
  commit::Store store_;
  std::unique_ptr<arena::Attachment> attachment_;
  std::unique_ptr<replicate::Replica> replica_;
};

// An empty book like `leader`, in a directory of its own, to be attached as any other.
class FollowerBook {
 public:
  explicit FollowerBook(const arena::Mapping& leader);
  const std::string& directory() const { return directory_.path(); }
  static constexpr const char* kName = "book";
  ReplicaArena open() const { return {directory(), kName}; }
  Book attach() const { return must(Book::attach(kName, directory())); }
  Book observe() const { return must(Book::observe(kName, directory())); }

 private:
  ScratchDirectory directory_;
};

// All kinds of records, some of each, over three terms; some of them by the slow lane.
class BusyLeader {
 public:
  explicit BusyLeader(uint64_t records = 8192);
  // Another few of most kinds.
  void work(int rounds);
  void pay(int count);

  const commit::Store& store() const { return replica.store(); }
  // Everything up to now, cut into entries of `bytes_max`; indices from 1.
  std::vector<replicate::LogEntry> entries(uint64_t bytes_max = 4096) const;

  SmallBook book;
  ReplicaArena replica;
  std::vector<Account> accounts;

 private:
  void administer(int round);
  void take_leases(int round);
  void refuse(int round);
  int rounds_ = 0;
};

// Empty: cells, records of the ring, terms and ends are equal, and the book of the follower is
// sound.
std::string difference(const commit::Store& leader, const commit::Store& follower);

}  // namespace casbook::test_support
