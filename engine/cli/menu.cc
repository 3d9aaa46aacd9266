#include "cli/menu.h"

#include "base/quote.h"
#include "cli/output.h"

namespace casbook::cli {

namespace {

constexpr const char* kRootFooter =
    "Exit codes: 0 done or replayed, 1 refused by the book, 2 bad usage, 3 environment,\n"
    "4 outcome unknown (send the same id again).\n"
    "\n"
    "Example:\n"
    "  casbook create demo --accounts 1000 --payments 100000 --leases 16 --window 24h\n"
    "  casbook ledger open demo CZK --scale 2\n"
    "  casbook account open demo bank --ledger CZK\n"
    "  casbook account open demo alice --ledger CZK --min-available 0\n"
    "  casbook pay demo --id 1 --debit bank --credit alice --amount 100.50 --ledger CZK\n"
    "  casbook balance demo alice\n"
    "  casbook audit demo";

// The subcommand that was named, for its help and its usage line.
const CLI::App* innermost(const CLI::App* app) {
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return app;
}

std::string full_name(const CLI::App* app) {
  const std::string& name = app->get_name();
  return app->get_parent() ? full_name(app->get_parent()) + " " + name : name;
}

}  // namespace

Menu::Menu() : app_("casbook: payments in a shared-memory book, exactly once", "casbook") {
  app_.require_subcommand(1);
  app_.footer(kRootFooter);
  app_.set_version_flag("--version", CASBOOK_VERSION);
  app_.add_option("--dir", common_.directory, "Directory of the books")
      ->type_name("DIR")
      ->capture_default_str();
  app_.get_formatter()->column_width(34);
}

CLI::App& Menu::group(const char* name, const char* purpose) {
  CLI::App* added = app_.add_subcommand(name, purpose);
  added->require_subcommand(1);
  added->footer("");
  return *added;
}

CLI::App& Menu::command(CLI::App& parent, const CommandText& text, Action action) {
  CLI::App& added = plain_command(parent, text, std::move(action));
  added.add_option("--dir", common_.directory, "Directory of the books")
      ->type_name("DIR")
      ->capture_default_str();
  return added;
}

CLI::App& Menu::plain_command(CLI::App& parent, const CommandText& text, Action action) {
  CLI::App* added = parent.add_subcommand(text.name, text.purpose);
  added->footer(text.more);
  added->add_flag("--json", common_.json, "One JSON object per line");
  added->callback([this, action = std::move(action)] { chosen_ = action; });
  return *added;
}

ExitCode Menu::explain(const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) {  // --help, --version
    app_.exit(error);
    return ExitCode::done;
  }
  const CLI::App* app = innermost(&app_);
  // CLI11 reports the subcommand that is missing before the word that is none.
  const std::vector<std::string> unknown = app->remaining();
  if (dynamic_cast<const CLI::RequiredError*>(&error) && !unknown.empty())
    print_error(base::quoted(unknown.front()) + ": expected a subcommand");
  else
    print_error(error.what());
  print_error("see " + full_name(app) + " --help");
  return ExitCode::usage;
}

ExitCode Menu::run(int argc, const char* const* argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return explain(error);
  }
  return chosen_(common_);
}

}  // namespace casbook::cli
