// The subcommands: how one is named, documented and run, and what they have in common.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/exit_code.h"

namespace casbook::cli {

// Options of every subcommand.
struct Common {
  std::string directory = "/dev/shm";
  bool json = false;
};

struct CommandText {
  const char* name;
  const char* purpose;
  const char* more;  // shown below the options: what to know, and examples
};

class Menu {
 public:
  using Action = std::function<ExitCode(const Common&)>;

  Menu();
  Menu(const Menu&) = delete;
  Menu& operator=(const Menu&) = delete;

  CLI::App& root() { return app_; }
  // A word before others: "account" of "account open".
  CLI::App& group(const char* name, const char* purpose);
  CLI::App& command(CLI::App& parent, const CommandText& text, Action action);
  // Without --dir as the directory of the books: it means another one there, or none.
  CLI::App& plain_command(CLI::App& parent, const CommandText& text, Action action);
  // Parses, then runs the one that was named. Wrong usage: a message that names the argument, on
  // stderr.
  ExitCode run(int argc, const char* const* argv);

 private:
  ExitCode explain(const CLI::ParseError& error);

  CLI::App app_;
  Common common_;
  Action chosen_;
};

// Each file of subcommands brings one of these.
void add_book_commands(Menu& menu);
void add_status_commands(Menu& menu);
void add_top_command(Menu& menu);
void add_care_commands(Menu& menu);
void add_account_commands(Menu& menu);
void add_balance_command(Menu& menu);
void add_payment_commands(Menu& menu);
void add_log_commands(Menu& menu);
void add_lease_commands(Menu& menu);
void add_apply_command(Menu& menu);
void add_demo_command(Menu& menu);
void add_serve_command(Menu& menu);
void add_backup_commands(Menu& menu);
void add_journal_commands(Menu& menu);
void add_cluster_commands(Menu& menu);

}  // namespace casbook::cli
