#include "api/refusal.h"

#include "log/log_reader.h"

namespace casbook::api {

namespace {

bool is_of_content(Code code) {
  return code >= Code::payment_conflict && code <= Code::payment_missing &&
         code != Code::backpressure && code != Code::wait_cancelled;
}

}  // namespace

Error diverged(const Core& core) {
  const Position position{core.store.replication().diverged.load_relaxed()};
  return {Code::quarantined, false, 0, 0,
          "at lsn " + std::to_string(position.lsn()) +
              " it was found to differ from the cluster's book: read on another host"};
}

Error at_its_position(const Core& core, Error refusal) {
  if (refusal.position == 0 && is_of_content(refusal.code))
    refusal.position = log::last_position(core.store).value;
  return refusal;
}

}  // namespace casbook::api
