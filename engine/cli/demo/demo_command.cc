// demo.
#include "cli/arguments.h"
#include "cli/demo/demo.h"
#include "cli/menu.h"

namespace casbook::cli {

namespace {

constexpr CommandText kDemoText{
    "demo", "Several processes on one book, killed and stopped, and what remains true",
    "Makes a book of its own and destroys it at the end. A gateway submits made-up payments and\n"
    "sends some of them again; two workers settle under leases and guard their payouts with the\n"
    "token; a risk process reads consistent snapshots. Workers are killed and stopped meanwhile.\n"
    "Exit code 1 when something that casbook claims does not hold.\n"
    "\n"
    "Examples:\n"
    "  casbook demo\n"
    "  casbook demo --seconds 40 --json"};

ExitCode run(const demo::DemoOptions& options) {
  switch (demo::run_demo(options)) {
    case demo::DemoEnd::every_claim_holds:
      return ExitCode::done;
    case demo::DemoEnd::a_claim_failed:
      return ExitCode::refused;
    case demo::DemoEnd::cannot_run:
      break;
  }
  return ExitCode::environment;
}

}  // namespace

void add_demo_command(Menu& menu) {
  auto options = std::make_shared<demo::DemoOptions>();
  CLI::App& command = menu.command(menu.root(), kDemoText, [options](const Common& common) {
    options->directory = common.directory;
    options->json = common.json;
    return run(*options);
  });
  add_whole_number(command, "--seconds", options->seconds, "How long the processes run")
      ->capture_default_str();
  add_whole_number(command, "--payments", options->payments,
                   "At most so many; fewer where memory is short")
      ->capture_default_str();
  add_whole_number(command, "--seed", options->seed, "Of the made-up payments")
      ->capture_default_str();
}

}  // namespace casbook::cli
