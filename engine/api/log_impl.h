// The inside of LogReader and LogFollower, and the translation of records.
#pragma once

#include <casbook/log.h>

#include "api/core.h"
#include "log/follower.h"

namespace casbook {

namespace api {

// What the record says, in the words of the public interface.
LogRecord translate(const Core& core, const log::Record& record);

}  // namespace api

struct LogReader::Impl {
  Impl(std::shared_ptr<api::Core> shared, uint64_t lsn) : core(std::move(shared)), next(lsn) {}
  static Result<LogReader> open(const std::shared_ptr<api::Core>& core, Position from);

  std::shared_ptr<api::Core> core;
  uint64_t next;
};

struct LogFollower::Impl {
  Impl(std::shared_ptr<api::Core> shared, const log::Follower& opened)
      : core(std::move(shared)), follower(opened) {}

  std::shared_ptr<api::Core> core;
  log::Follower follower;
};

}  // namespace casbook
