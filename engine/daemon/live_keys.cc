#include "daemon/live_keys.h"

#include "daemon/event_log.h"
#include "replicate/key_file.h"

namespace casbook::daemon {

using replicate::ClusterKeys;

namespace {

void tell(std::string_view event, const ClusterKeys& keys) {
  const auto ids = keys.ids();
  log_event(Severity::info, event,
            {{"sealing", replicate::text_of(ids[0])},
             {"also", ids.size() > 1 ? replicate::text_of(ids[1]) : "none"}});
}

Result<ClusterKeys> read_next(const std::string& file, const ClusterKeys& now) {
  auto keys = replicate::read_keys(file);
  if (keys && !keys->find(now.sealing_id()))
    return Error{.code = Code::bad_argument,
                 .detail = "key file " + file + ": expected key " +
                           replicate::text_of(now.sealing_id()) +
                           " among its keys, which this node seals with: swap before you drop, or "
                           "restart the daemon"};
  return keys;
}

}  // namespace

Result<LiveKeys> LiveKeys::read(const std::string& file) {
  auto keys = replicate::read_keys(file);
  if (!keys) return keys.error();
  tell("keys", *keys);
  return LiveKeys(file, *keys);
}

Result<void> LiveKeys::reload() {
  auto keys = read_next(file_, keys_);
  if (!keys) {
    log_event(Severity::error, "keys_not_reloaded", {{"error", keys.error().message()}});
    return keys.error();
  }
  keys_ = *keys;
  tell("keys_reloaded", keys_);
  return {};
}

}  // namespace casbook::daemon
