// Payment ids: exactly once.
//
// An id is looked up and inserted in the same commit as its payment: its bucket's version is part
// of the write set. An id has a chain of up to 8 buckets; a look-up goes past bucket k only where
// OVER(k) is set.
//
//   OVER(b) = 0   => no id that went past b lives further on
//   GONE(b)       >= the time of every id evicted from b or forgotten by clearing OVER(b)
//
// The horizon only *permits* evictions; it never proves absence. An id that carries its own time and
// is not newer than GONE of a bucket that it has to read is refused, whatever any clock says: it
// executes at most once, for ever. An id without a time keeps the promise for the window.
#pragma once

#include <array>
#include <optional>

#include <casbook/types.h>

#include "book/layout.h"
#include "commit/read.h"
#include "commit/write_set.h"
#include "log/log_writer.h"

namespace casbook::book {

// What stands under an id: 0 for executed, else the number of a recorded refusal.
struct IdAnswer {
  uint8_t code = 0;
  int64_t time_ms = 0;
  uint64_t position = 0;
  uint64_t content = 0;
};

struct IdPlan {
  // `raced`: a bucket changed between two looks at it; plan again.
  enum class Kind { fresh, found, too_old, from_future, window_full, raced } kind;
  IdAnswer answer;  // of `found`
};

// An id as the table keeps it: as it is, but of a ULID the 128 bits that its 26 characters say, so
// that it takes one entry like a UUID. A longer text takes two.
struct IdForm {
  std::array<uint64_t, 5> words;
  uint8_t kind, bytes;

  void take(const ExternalId& id);
  bool is_long() const { return bytes > 16; }
  // As ExternalId::own_time_ms(): -1 where the id carries none.
  int64_t own_time_ms() const;
};

class PaymentIds {
 public:
  PaymentIds(const commit::Store& store, const Tables& tables);

  // Where an id lives: computed once per payment.
  struct Key {
    uint64_t hash, home, fingerprint;
    IdForm form;
  };
  void make_key(const PaymentId& id, Key& key) const;
  // The k-th bucket of its chain, below kIdChainMax.
  Unit bucket(const Key& key, uint32_t k) const;

  // Looks the id up; where it is new, adds its insertion to `set` as far as the answer is not
  // needed (guards, OVER), and remembers where the entry goes for insert().
  IdPlan plan(commit::Executor& executor, const Key& key, int64_t now_ms, commit::WriteSet& set) {
    return plan_common(executor, key, now_ms) ? IdPlan{IdPlan::Kind::fresh, {}}
                                              : plan_slow(executor, key, now_ms, set);
  }
  // Adds the entry itself: the answer `code` and the content hash.
  void insert(commit::WriteSet& set, uint8_t code, uint64_t content, int64_t now_ms) const;

  // Without a session; writes nothing.
  std::optional<IdAnswer> find(const PaymentId& id) const;
  // Brings the first lines of the id's home near.
  void prefetch(const Key& key) const;

  int64_t horizon_ms() const;
  // Moves the horizon forward when it lags by a 64th of the window. One attempt.
  void move_horizon(log::LogWriter& writer, int64_t now_ms) const;

  // What is wrong in the bucket at `unit`, whose image this is; empty: nothing.
  std::string first_damage(const commit::CellImage& bucket, Unit unit) const;

  // Entries in use and room, for status. Scans all buckets.
  struct Fill {
    uint64_t entries_used, entries_total;
  };
  Fill fill() const;

 private:
  void hash_form(Key& key) const;
  bool plan_common(commit::Executor& executor, const Key& key, int64_t now_ms);
  void put_entry(commit::WriteSet& set, uint32_t entry, uint64_t low, uint64_t high,
                 uint64_t answer, uint64_t content) const;
  IdPlan plan_slow(commit::Executor& executor, const Key& key, int64_t now_ms,
                   commit::WriteSet& set);

  const commit::Store& store_;
  const Tables& tables_;
  uint64_t seed_;
  int64_t window_ms_;

  // The buckets of the id that is planned, as read.
  commit::CellImage heads_[kIdChainMax];
  // Where the planned entry goes.
  struct Target {
    Unit unit;
    uint64_t version;
    uint32_t entry, continuation;
    const IdForm* form;  // of the key that was planned with
    uint64_t old_summary, old_gone, old_over;
    uint64_t summary, gone;
    bool clears_over;
  } target_;
};

}  // namespace casbook::book
