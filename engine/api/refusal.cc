#include "api/refusal.h"

#include "log/log_reader.h"

namespace casbook::api {

namespace {

bool is_of_content(Code code) {
  return code >= Code::payment_conflict && code <= Code::payment_missing &&
         code != Code::backpressure && code != Code::wait_cancelled;
}

}  // namespace

Error at_its_position(const Core& core, Error refusal) {
  if (refusal.position == 0 && is_of_content(refusal.code))
    refusal.position = log::last_position(core.store).value;
  return refusal;
}

}  // namespace casbook::api
