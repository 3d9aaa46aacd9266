// cluster add, remove, promote, transfer: asked of the daemon of this host.
#include "cli/answers.h"
#include "cli/arguments.h"
#include "cli/cluster_commands.h"
#include "daemon/control_socket.h"

namespace casbook::cli {

namespace {

constexpr CommandText kAddText{
    "add", "Make a host a member of the cluster",
    "To be run on the host that leads (casbook cluster status), when casbook serve runs on the new\n"
    "one, with join = true, the new ID as node, and an empty journal directory. The new member gets\n"
    "the log and counts for nothing until it has nearly all of it; then it becomes a voter by\n"
    "itself, unless --standby: then promote does it. An ID that is in use stands for one disk: a\n"
    "host that lost its own is removed first.\n"
    "\n"
    "Ends with 0 when it votes (or stands by); with 1 when the time is over first: then it goes\n"
    "on.\n"
    "\n"
    "Examples:\n"
    "  casbook cluster add demo 4 10.0.0.4:7400\n"
    "  casbook cluster add demo 5 10.0.0.5:7400 --standby --timeout 10m"};

constexpr CommandText kRemoveText{
    "remove", "Take a host out of the cluster",
    "To be run on the host that leads. It may name that host itself: then no payments are taken\n"
    "there from then on, and another leads. A host that is dead can be removed as well. Two "
    "voters\n"
    "have to be left. casbook serve goes on there and follows nobody: stop it.\n"
    "\n"
    "Example:\n"
    "  casbook cluster remove demo 3"};

constexpr CommandText kPromoteText{
    "promote", "Make a stand-by a voter",
    "To be run on the host that leads. Waits until the stand-by has nearly all of the log.\n"
    "\n"
    "Example:\n"
    "  casbook cluster promote demo 5"};

constexpr CommandText kTransferText{
    "transfer", "Hand the lead to another host",
    "To be run on the host that leads, before it is stopped for a while. What was paid is taken\n"
    "along; nobody can pay for less than an election timeout. Without ID it goes to whoever has "
    "most.\n"
    "\n"
    "Examples:\n"
    "  casbook cluster transfer demo\n"
    "  casbook cluster transfer demo 2 --timeout 2s"};

struct MemberArguments {
  std::string book, address;
  uint64_t id = 0;
  bool is_standby = false;
  std::chrono::milliseconds timeout = std::chrono::seconds(60);
};
using Shared = std::shared_ptr<MemberArguments>;

std::string members_text(const daemon::Json& answer) {
  std::string text;
  for (const daemon::Json& member : answer.value("members", daemon::Json::array())) {
    const std::string role = member.value("role", "");
    text += (text.empty() ? "" : ", ") + std::to_string(member.value("id", uint64_t{0})) + " at " +
            member.value("address", "") + (role == "voter" ? "" : " (" + role + ")");
  }
  return text;
}

ExitCode ask(const char* command, const MemberArguments& arguments, const Common& common) {
  const auto timeout_ms = static_cast<uint64_t>(arguments.timeout.count());
  daemon::Json request{{"command", command}, {"id", arguments.id}, {"timeout_ms", timeout_ms}};
  if (!arguments.address.empty()) request["address"] = arguments.address;
  if (arguments.is_standby) request["standby"] = true;
  const auto answer = ask_book(arguments.book, request, arguments.timeout, common);
  if (!answer) return refuse(common, answer.error());
  if (common.json) {
    print_object(Json(*answer), true);
  } else {
    print_object({{"leader", answer->value("leader", uint64_t{0})},
                  {"term", answer->value("term", uint64_t{0})},
                  {"members", members_text(*answer)}},
                 false);
  }
  return ExitCode::done;
}

Shared add_command(Menu& menu, CLI::App& group, const CommandText& text, CLI::App*& command) {
  auto arguments = std::make_shared<MemberArguments>();
  command = &menu.command(group, text, [arguments, name = text.name](const Common& common) {
    return ask(name, *arguments, common);
  });
  add_book(*command, arguments->book);
  add_duration(*command, "--timeout", arguments->timeout, "Wait at most so long")
      ->default_str("60s");
  return arguments;
}

}  // namespace

Result<daemon::Json> ask_book(const std::string& book, const daemon::Json& request,
                              std::chrono::milliseconds timeout, const Common& common) {
  constexpr std::chrono::milliseconds kGrace{2'000};  // the daemon itself keeps to the time
  const auto path = daemon::control_path(common.directory, book);
  if (!path) return path.error();
  return daemon::ask_daemon(*path, request, (timeout + kGrace).count());
}

void add_member_commands(Menu& menu, CLI::App& group) {
  CLI::App* command = nullptr;
  const Shared add = add_command(menu, group, kAddText, command);
  add_whole_number(*command, "ID", add->id, "Of the new node")->required()->type_name("");
  command->add_option("ADDRESS", add->address, "Its IPv4 address and UDP port")
      ->required()
      ->type_name("");
  command->add_flag("--standby", add->is_standby, "It stays a stand-by until it is promoted");
  const Shared remove = add_command(menu, group, kRemoveText, command);
  add_whole_number(*command, "ID", remove->id, "Of the node")->required()->type_name("");
  const Shared promote = add_command(menu, group, kPromoteText, command);
  add_whole_number(*command, "ID", promote->id, "Of the node")->required()->type_name("");
  const Shared transfer = add_command(menu, group, kTransferText, command);
  add_whole_number(*command, "ID", transfer->id, "Of the node that shall lead")->type_name("");
}

}  // namespace casbook::cli
