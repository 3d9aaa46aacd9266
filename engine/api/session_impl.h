// Session's inside: its place in one file of the book, a session slot with what commits from it,
// and how it gets another place where the book has moved.
#pragma once

#include <optional>

#include <casbook/session.h>

#include "api/book_impl.h"
#include "base/clock.h"
#include "book/pay.h"

namespace casbook {

struct Session::Impl {
  struct Place {
    Place(std::shared_ptr<api::Core> shared, uint32_t slot)
        : core(std::move(shared)),
          writer(core->store, slot),
          payer(writer, core->tables),
          leases(core->store, core->attachment->ref()) {}
    ~Place() {
      if (!core->is_forked()) core->attachment->close_session(writer.session());
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    std::shared_ptr<api::Core> core;
    log::LogWriter writer;
    book::Payer payer;
    lease::Leases leases;
  };

  Impl(std::shared_ptr<Book::Impl> of, std::shared_ptr<api::Core> core, uint32_t slot)
      : book(std::move(of)) {
    place.emplace(std::move(core), slot);
  }

  bool is_forked() const { return place->core->is_forked(); }
  void pay(const Payment& payment, const book::Payer::Key& key, Result<Receipt>& answer);
  // The answer was not_leader: another try where the book has moved, else who leads. True: the
  // session has another place now.
  bool pay_elsewhere(const Payment& payment, Result<Receipt>& answer);
  // Where the book is. Errors: those of Book::Impl::share_current(), sessions_full.
  Result<void> arrive();
  // Runs what commits, or may, in the place where this session is by now.
  template <class Work>
  auto commit(Work work) -> decltype(work(std::declval<Place&>()));

  // How long payments take, of one in so many: a prime, so that no pattern of a caller keeps step.
  static constexpr uint32_t kSampledOneIn = 251;
  // When this payment began; 0: it is no sample. Two clock reads of one, a countdown of the others.
  int64_t begin_sample() {
    if (--until_sample != 0) [[likely]]
      return 0;
    until_sample = kSampledOneIn;
    return base::monotonic_ns();
  }
  void end_sample(int64_t begun_ns, const Result<Receipt>& answer) const;

  std::shared_ptr<Book::Impl> book;
  std::optional<Place> place;
  uint32_t until_sample = kSampledOneIn;
};

}  // namespace casbook
