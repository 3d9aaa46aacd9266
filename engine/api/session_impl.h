// Session's inside: a session slot, its log writer, and what book and lease do with it.
#pragma once

#include <casbook/session.h>

#include "api/core.h"
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

  std::shared_ptr<api::Core> core;
  log::LogWriter writer;
  book::Payer payer;
  lease::Leases leases;
};

}  // namespace casbook
