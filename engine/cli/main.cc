// The command `casbook`: the library's calls for shells and scripts.
#include <signal.h>

#include "cli/menu.h"
#include "cli/output.h"

int main(int argc, char** argv) {
  using namespace casbook::cli;
  // A write then fails with EPIPE, and a payment that is made is still answered by the exit code.
  signal(SIGPIPE, SIG_IGN);
  Menu menu;
  add_book_commands(menu);
  add_status_commands(menu);
  add_top_command(menu);
  add_care_commands(menu);
  add_account_commands(menu);
  add_balance_command(menu);
  add_payment_commands(menu);
  add_apply_command(menu);
  add_log_commands(menu);
  add_lease_commands(menu);
  add_serve_command(menu);
  add_backup_commands(menu);
  add_journal_commands(menu);
  add_cluster_commands(menu);
  add_demo_command(menu);
  const ExitCode code = menu.run(argc, argv);
  if (!finish_output() && code == ExitCode::done) return static_cast<int>(ExitCode::environment);
  return static_cast<int>(code);
}
