// lease acquire, renew, release, list.
#include "cli/answers.h"
#include "cli/arguments.h"
#include "cli/lease_name.h"

namespace casbook::cli {

namespace {

constexpr CommandText kAcquireText{
    "acquire", "Take a lease",
    "It outlives this command: it is kept until it is released or its time is over. The token is\n"
    "what `pay --lease NAME --token T`, renew and release ask for.\n"
    "\n"
    "Examples:\n"
    "  casbook lease acquire demo settlement --ttl 5s\n"
    "  casbook lease acquire demo settlement --ttl 5s --wait 2s --json"};

constexpr CommandText kRenewText{
    "renew", "Keep a lease for longer",
    "A lease whose time is over cannot be renewed, even if nobody took it.\n"
    "\n"
    "Example:\n"
    "  casbook lease renew demo settlement --token 281474976710700 --ttl 5s"};

constexpr CommandText kReleaseText{
    "release", "Give a lease back",
    "With a stale token nothing is changed, and the exit code is 1.\n"
    "\n"
    "Example:\n"
    "  casbook lease release demo settlement --token 281474976710700"};

constexpr CommandText kListText{"list", "Leases that are held",
                                "One with a negative time is over, but nobody took it yet.\n"
                                "\n"
                                "Examples:\n"
                                "  casbook lease list demo\n"
                                "  casbook lease list demo --json"};

struct LeaseArguments {
  std::string book, name;
  Position token;
  AcquireOptions options{.detached = true};
};

std::string remaining_text(std::chrono::nanoseconds remaining) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(remaining);
  return std::to_string(ms.count()) + "ms";
}

Json grant_json(const std::string& name, const Grant& grant) {
  return {{"name", name},
          {"token", std::to_string(grant.lease.token.value)},
          {"remaining", remaining_text(grant.remaining)},
          {"count", grant.count},
          {"replayed", grant.replayed}};
}

ExitCode acquire(const LeaseArguments& arguments, const Common& common) {
  auto writer = open_writer(arguments.book, common);
  if (!writer) return refuse(common, writer.error());
  const AcquireOptions& options = arguments.options;
  auto grant = options.wait.count() > 0 ? writer->session.wait_acquire(arguments.name, options)
                                        : writer->session.try_acquire(arguments.name, options);
  if (!grant) return refuse(common, grant.error());
  print_object(grant_json(arguments.name, *grant), common.json);
  return ExitCode::done;
}

ExitCode renew(const LeaseArguments& arguments, const Common& common) {
  auto writer = open_writer(arguments.book, common);
  if (!writer) return refuse(common, writer.error());
  auto grant = writer->session.renew(lease_by_name(writer->book, arguments.name, arguments.token),
                                     arguments.options.ttl);
  if (!grant) return refuse(common, grant.error());
  print_object(grant_json(arguments.name, *grant), common.json);
  return ExitCode::done;
}

ExitCode release(const LeaseArguments& arguments, const Common& common) {
  auto writer = open_writer(arguments.book, common);
  if (!writer) return refuse(common, writer.error());
  auto released =
      writer->session.release(lease_by_name(writer->book, arguments.name, arguments.token));
  if (!released) return refuse(common, released.error());
  const Json object = {
      {"name", arguments.name}, {"count", released->count}, {"was_expired", released->was_expired}};
  print_object(object, common.json);
  return ExitCode::done;
}

Json lease_json(const LeaseInfo& lease) {
  return {{"name", lease.name},
          {"token", std::to_string(lease.lease.token.value)},
          {"owner_id", std::to_string(lease.owner_id)},
          {"detached", lease.detached},
          {"owner_alive", lease.owner_alive},
          {"pid", lease.detached ? Json() : Json(lease.pid)},
          {"count", lease.count},
          {"waiters", lease.waiters},
          {"remaining", remaining_text(lease.remaining)}};
}

ExitCode list(const std::string& name, const Common& common) {
  auto book = Book::observe(name, common.directory);
  if (!book) return refuse(common, book.error());
  Table table({{"name"},
               {"token", Align::right},
               {"owner_id", Align::right},
               {"detached"},
               {"owner_alive"},
               {"pid", Align::right},
               {"count", Align::right},
               {"waiters", Align::right},
               {"remaining", Align::right}},
              common.json);
  for (const LeaseInfo& lease : book->leases())
    if (!table.add(lease_json(lease))) break;
  table.finish();
  return ExitCode::done;
}

template <class Run>
CLI::App& add_on_lease(Menu& menu, CLI::App& group, const CommandText& text,
                       const std::shared_ptr<LeaseArguments>& arguments, Run run) {
  CLI::App& command = menu.command(
      group, text, [arguments, run](const Common& common) { return run(*arguments, common); });
  add_book(command, arguments->book);
  command.add_option("NAME", arguments->name, "Name of the lease, 1 to 64 bytes")
      ->required()
      ->type_name("");
  return command;
}

void add_token(CLI::App& command, LeaseArguments& arguments) {
  add_position(command, "--token", arguments.token, "Token of the grant")
      ->required()
      ->type_name("TOKEN");
}

void add_ttl(CLI::App& command, LeaseArguments& arguments) {
  add_duration(command, "--ttl", arguments.options.ttl, "How long it is kept, 1ms to 24h")
      ->required();
}

void add_acquire(Menu& menu, CLI::App& group) {
  auto arguments = std::make_shared<LeaseArguments>();
  AcquireOptions& options = arguments->options;
  CLI::App& command = add_on_lease(menu, group, kAcquireText, arguments, acquire);
  add_ttl(command, *arguments);
  add_duration(command, "--wait", options.wait, "Wait for it at most so long (once unless given)");
  add_whole_number(command, "--owner-id", options.owner_id,
                   "The same owner may take it again: same token, count + 1");
  add_whole_number(command, "--operation-id", options.operation_id,
                   "A retry under this number is the same operation");
}

}  // namespace

Lease lease_by_name(const Book& book, const std::string& name, Position token) {
  const auto info = book.lease(name);
  return {info ? info->lease.place : Lease{}.place, token};
}

void add_lease_commands(Menu& menu) {
  CLI::App& group = menu.group("lease", "Leases: acquire, renew, release, list");
  add_acquire(menu, group);
  auto renewal = std::make_shared<LeaseArguments>();
  CLI::App& renew_command = add_on_lease(menu, group, kRenewText, renewal, renew);
  add_token(renew_command, *renewal);
  add_ttl(renew_command, *renewal);
  auto end = std::make_shared<LeaseArguments>();
  add_token(add_on_lease(menu, group, kReleaseText, end, release), *end);
  auto book = std::make_shared<std::string>();
  CLI::App& list_command =
      menu.command(group, kListText, [book](const Common& common) { return list(*book, common); });
  add_book(list_command, *book);
}

}  // namespace casbook::cli
