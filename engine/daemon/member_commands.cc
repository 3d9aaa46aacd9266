#include "daemon/member_commands.h"

#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/quote.h"
#include "replicate/udp_address.h"

namespace casbook::daemon {

using base::bad_argument;
using replicate::Configuration;
using replicate::MemberRequest;
using replicate::Server;
using replicate::ServerRole;
using Kind = MemberRequest::Kind;

namespace {

constexpr uint64_t kTimeoutMsDefault = 60'000, kTimeoutMsMax = 24ull * 3'600'000;
constexpr std::chrono::milliseconds kLook{2};

// Where the field is missing, `otherwise`; nothing: it is something else than a whole number.
std::optional<uint64_t> number_in(const Json& request, const char* field, uint64_t otherwise) {
  const auto found = request.find(field);
  if (found == request.end()) return otherwise;
  if (!found->is_number_unsigned()) return std::nullopt;
  return found->get<uint64_t>();
}

Result<MemberRequest> request_of(Kind kind, const Json& request) {
  MemberRequest asked{.kind = kind};
  const auto id = number_in(request, "id", 0);
  if (!id || (*id == 0 && kind != Kind::transfer))
    return bad_argument("id: expected the number of a node, 1 or more");
  asked.id = *id;
  const auto timeout_ms = number_in(request, "timeout_ms", kTimeoutMsDefault);
  if (!timeout_ms || *timeout_ms > kTimeoutMsMax)
    return bad_argument("timeout_ms: expected up to " + std::to_string(kTimeoutMsMax));
  asked.until_ns = base::monotonic_ns() + static_cast<int64_t>(*timeout_ms) * 1'000'000;
  if (kind != Kind::add) return asked;
  const auto address = request.find("address");
  if (address == request.end() || !address->is_string())
    return bad_argument("address: expected one like \"10.0.0.4:7400\"");
  asked.address = address->get<std::string>();
  if (!replicate::parse_udp_address("", asked.address))
    return bad_argument("ADDRESS: expected an IPv4 address with a port, like 10.0.0.4:7400, got " +
                        base::quoted(asked.address));
  if (const auto standby = request.find("standby"); standby != request.end())
    asked.stays_standby = *standby == Json(true);
  return asked;
}

Result<Json> carry_out(Kind kind, const Json& request, const MemberDoor& door,
                       const ControlCommands::MustStop& must_stop) {
  const auto asked = request_of(kind, request);
  if (!asked) return asked.error();
  const auto ticket = door.ask(*asked);
  if (!ticket) return ticket.error();
  // Bounded by until_ns: then there is an answer, whatever it is.
  while (!must_stop()) {
    if (const auto answer = door.take_answer(*ticket)) {
      if (!*answer) return answer->error();
      return door.describe();
    }
    std::this_thread::sleep_for(kLook);
  }
  return Error{.code = Code::outcome_unknown, .detail = "this daemon stops"};
}

}  // namespace

void add_member_commands(ControlCommands& commands, const MemberDoor& door) {
  const std::pair<const char*, Kind> all[] = {{"add", Kind::add},
                                              {"remove", Kind::remove},
                                              {"promote", Kind::promote},
                                              {"transfer", Kind::transfer}};
  for (const auto& each : all)
    commands.add(each.first, [kind = each.second, door](
                                 const Json& request, const ControlCommands::MustStop& must_stop) {
      return carry_out(kind, request, door, must_stop);
    });
}

const char* name_of(ServerRole role) {
  static constexpr const char* kNames[] = {"voter", "standby", "joining"};
  return kNames[static_cast<uint8_t>(role)];
}

Json json_of(const Configuration& configuration) {
  Json list = Json::array();
  for (const Server& server : configuration.servers)
    list.push_back(
        {{"id", server.id}, {"address", server.address}, {"role", name_of(server.role)}});
  return list;
}

std::string text_of(const Configuration& configuration) {
  std::string text;
  for (const Server& server : configuration.servers)
    text += (text.empty() ? "" : ", ") + std::to_string(server.id) + " at " + server.address +
            (server.is_voter() ? "" : std::string(" (") + name_of(server.role) + ")");
  return text;
}

}  // namespace casbook::daemon
