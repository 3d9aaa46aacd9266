// Several processes on one book or one floor at the same time.
#pragma once

#include <sched.h>

#include "growth/subject.h"
#include "team.h"

namespace casbook::growth {

using bench::Round;
using bench::RoundResult;
using bench::Team;

// A book attached by a process for itself, with a session of its own.
struct Attached {
  explicit Attached(const std::string& name, const std::string& directory = "/dev/shm")
      : book(must(Book::attach(name, directory))), session(must(book.open_session())) {}
  Book book;
  Session session;
};

inline void stay_on(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  (void)sched_setaffinity(0, sizeof(cores), &cores);
}

inline void stay_anywhere() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  for (int core = 0; core < CPU_SETSIZE; ++core) CPU_SET(core, &cores);
  (void)sched_setaffinity(0, sizeof(cores), &cores);
}

// Ids that no other process of this run has, nor the book's own session.
inline uint64_t own_series() { return static_cast<uint64_t>(getpid()); }

inline bool is_paid(const Result<Receipt>& answer) {
  if (!answer) std::fprintf(stderr, "bench_growth: %s\n", answer.error().message().c_str());
  return static_cast<bool>(answer);
}

// Payments between two of the first `accounts`.
inline Team::Operation payer(const std::shared_ptr<OwnBook>& own, uint64_t accounts) {
  return [own, accounts, series = own_series(), attached = std::make_shared<Attached>(own->name()),
          random = Random(own_series())]() mutable {
    return is_paid(attached->session.pay(own->payment_of(random, accounts, series)));
  };
}

// What commits of all sessions had to do with each other, per payment, since it was made.
class Friction {
 public:
  explicit Friction(const Book& book) : book_(book), before_(book.activity()) {}
  void add_to(Point& point) const {
    const BookActivity after = book_.activity();
    const auto payments =
        static_cast<double>(std::max<uint64_t>(1, after.payments - before_.payments));
    const auto each = [&](uint64_t now, uint64_t was) {
      return static_cast<double>(now - was) / payments;
    };
    point.also.emplace_back("attempts aborted per payment",
                            each(after.conflicts, before_.conflicts));
    point.also.emplace_back("commits of others finished per payment",
                            each(after.helps, before_.helps));
    point.also.emplace_back("slow lane, share", each(after.slow_lane, before_.slow_lane));
  }

 private:
  const Book& book_;
  BookActivity before_;
};

inline void add_rate(Point& point, const RoundResult& result) {
  if (!result.is_whole) point.why = "an operation failed";
  if (result.per_s() > 0) point.ns.push_back(1e9 / result.per_s());
}

}  // namespace casbook::growth
