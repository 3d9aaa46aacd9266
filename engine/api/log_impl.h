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
  Impl(std::shared_ptr<api::Core> shared, uint64_t lsn, Level up_to)
      : core(std::move(shared)), next(lsn), level(up_to) {}
  static Result<LogReader> open(const std::shared_ptr<api::Core>& core, Position from, Level level);

  std::shared_ptr<api::Core> core;
  uint64_t next;
  Level level;  // memory: to the end; durable, quorum: not past that position
};

struct LogFollower::Impl {
  Impl(std::shared_ptr<api::Core> shared, const log::Follower& opened)
      : core(std::move(shared)), follower(opened) {}

  std::shared_ptr<api::Core> core;
  log::Follower follower;
};

}  // namespace casbook
