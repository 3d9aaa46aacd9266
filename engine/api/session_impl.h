// Session's inside: a session slot, its log writer, and what book and lease do with it.
#pragma once

#include <casbook/session.h>

#include "api/core.h"
#include "base/clock.h"
#include "book/pay.h"

namespace casbook {

struct Session::Impl {
  Impl(std::shared_ptr<api::Core> shared, uint32_t slot)
      : core(std::move(shared)),
        writer(core->store, slot),
        payer(writer, core->tables),
        leases(core->store, core->attachment->ref()) {}
  ~Impl() {
    if (!core->is_forked()) core->attachment->close_session(writer.session());
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void pay(const Payment& payment, const book::Payer::Key& key, Result<Receipt>& answer);

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

  std::shared_ptr<api::Core> core;
  log::LogWriter writer;
  book::Payer payer;
  lease::Leases leases;
  uint32_t until_sample = kSampledOneIn;
};

}  // namespace casbook
