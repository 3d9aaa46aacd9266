// The cells of a book, past its interface: for benchmarks of the commit layer and of bare loads.
#pragma once

#include "arena/attachment.h"
#include "book/layout.h"
#include "commit/read.h"
#include "log/log_writer.h"
#include "own_book.h"

namespace casbook::bench {

// A mapping of its own of a book that has its name still.
class Cells {
 public:
  explicit Cells(const std::string& name, arena::Access access = arena::Access::read_write,
                 const std::string& directory = "/dev/shm")
      : mapping_(must(arena::attach(directory, name, access))),
        store_(*mapping_),
        tables_(store_) {}

  arena::Mapping& mapping() { return *mapping_; }
  const commit::Store& store() const { return store_; }
  const book::Tables& tables() const { return tables_; }
  commit::Unit account(uint64_t index) const { return tables_.account(index); }
  commit::Cell& account_cell(uint64_t index) const { return store_.cell(account(index)); }

 private:
  std::unique_ptr<arena::Mapping> mapping_;
  commit::Store store_;
  book::Tables tables_;
};

// The arena of a book whose accounts are never opened: their cells are used as they are.
class OwnArena {
 public:
  explicit OwnArena(uint64_t accounts) {
    const std::string name = own_name();
    must(Book::create(name, book_options(accounts, 1'000)));
    cells_.emplace(name);
    attachment_ = must(arena::Attachment::open(cells_->mapping(), [](uint32_t) {}));
    (void)Book::destroy(name);
  }

  const Cells& cells() const { return *cells_; }
  uint32_t open_session() { return must(attachment_->open_session()); }
  void close_session(uint32_t session) { attachment_->close_session(session); }

 private:
  std::optional<Cells> cells_;
  std::unique_ptr<arena::Attachment> attachment_;
};

// As an owner of the cells would plan a transfer: read both, write both.
template <class Writer>
class Transfers {
 public:
  Transfers(OwnArena& arena, uint32_t session)
      : cells_(arena.cells()), writer_(cells_.store(), session) {}

  void prefetch(Random::Two pair) const {
    base::prefetch_for_write(&cells_.account_cell(pair.first));
    base::prefetch_for_write(&cells_.account_cell(pair.second));
  }
  // False: refused.
  bool transfer(Random::Two pair) {
    set_.clear();
    add(cells_.account(pair.first), uint64_t{0} - 1);
    add(cells_.account(pair.second), 1);
    set_.describe(commit::Kind::payment, 0);
    const commit::CommitResult result = writer_.commit(set_);
    bool ok = result.outcome == commit::Outcome::committed;
    // Nobody copies the committer's records: they are given up, all descriptors' at once.
    if constexpr (std::is_same_v<Writer, commit::Committer>)
      if (++commits_ % kDescriptorsPerSession == 1)
        ok &= commit::Retention::raise_floor(cells_.store(), Position{result.position}.lsn() + 1);
    return ok;
  }

 private:
  void add(commit::Unit unit, uint64_t delta) {
    commit::read_cell(cells_.store(), writer_.executor(), unit, 1, image_);
    set_.set(unit, book::kAvailable, image_.version, image_.value[0] + delta, image_.value[0]);
  }

  const Cells& cells_;
  Writer writer_;
  uint64_t commits_ = 0;
  commit::WriteSet set_;
  commit::CellImage image_;
};

}  // namespace casbook::bench
