// The members of a cluster, over the control socket: add, remove, promote, transfer.
//
//   {"command": "add", "id": 4, "address": "10.0.0.4:7400", "standby": false, "timeout_ms": 60000}
//   {"command": "remove", "id": 3}   {"command": "promote", "id": 4}   {"command": "transfer",
//   "id": 2}
//
// The answer comes when the change is committed, or the lead with another: {"ok": true, "term": 5,
// "leader": 2, "members": [{"id": 1, "address": "...", "role": "voter"}, ...]}.
#pragma once

#include "daemon/control_socket.h"
#include "replicate/membership.h"

namespace casbook::daemon {

// The node, as these see it. Each may be called from any thread.
struct MemberDoor {
  std::function<Result<uint64_t>(const replicate::MemberRequest& request)> ask;
  std::function<std::optional<Result<void>>(uint64_t ticket)> take_answer;
  std::function<Json()> describe;  // what comes with a good answer
};

void add_member_commands(ControlCommands& commands, const MemberDoor& door);

Json json_of(const replicate::Configuration& configuration);
const char* name_of(replicate::ServerRole role);
// "1 at 10.0.0.1:7400, 4 at 10.0.0.4:7400 (joining)"
std::string text_of(const replicate::Configuration& configuration);

}  // namespace casbook::daemon
