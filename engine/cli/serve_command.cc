// serve: the daemon that keeps a book durable, in the foreground.
#include "cli/answers.h"
#include "cli/arguments.h"
#include "daemon/daemon.h"
#include "daemon/stop_signal.h"

namespace casbook::cli {

namespace {

constexpr CommandText kServeText{
    "serve", "Keep a book durable: journal, checkpoints, recovery",
    "With a configuration file, or with --book and --dir and defaults. A book that is not there "
    "is\n"
    "created; one that the host has lost is recovered from the journal; one that is there is\n"
    "resumed. SIGTERM or SIGINT closes the book, syncs, takes a checkpoint and ends with 0.\n"
    "\n"
    "--dir is the directory of journal and checkpoints, on a disk. The book itself lies in\n"
    "/dev/shm, or in --shm. The limits are those of a book that is created now; one that is there\n"
    "or recovered keeps its own.\n"
    "\n"
    "Examples:\n"
    "  casbook serve --book demo --dir /var/lib/casbook/demo\n"
    "  casbook serve --book demo --dir /srv/demo --accounts 100000 --payments 1000000\n"
    "  casbook serve /etc/casbook/demo.toml"};

struct ServeArguments {
  std::string file;
  daemon::Config config;
  std::string shm;
  uint64_t sessions = CreateOptions{}.sessions;
};

ExitCode serve(const ServeArguments& arguments, const Common& common) {
  // From here on a stop that is asked for is a stop, also while the book is not open yet.
  const daemon::StopSignal no_sudden_end;
  daemon::Config config = arguments.config;
  if (!arguments.file.empty()) {
    auto read = daemon::read_config(arguments.file);
    if (!read) return refuse(common, read.error());
    config = std::move(*read);
  } else {
    config.create.directory = arguments.shm.empty() ? common.directory : arguments.shm;
    config.create.sessions =
        static_cast<uint32_t>(std::min<uint64_t>(arguments.sessions, UINT32_MAX));
    if (config.book.empty() || config.journal.directory.empty())
      return refuse_usage(common, "expected CONFIG.toml, or --book NAME and --dir DIR");
    if (auto checked = daemon::check_config(config); !checked)
      return refuse(common, checked.error());
  }
  if (auto served = daemon::serve(config); !served) return refuse(common, served.error());
  return ExitCode::done;
}

}  // namespace

void add_serve_command(Menu& menu) {
  auto arguments = std::make_shared<ServeArguments>();
  CLI::App& command =
      menu.plain_command(menu.root(), kServeText,
                         [arguments](const Common& common) { return serve(*arguments, common); });
  CLI::Option* file =
      command.add_option("CONFIG", arguments->file, "A configuration file")->type_name("");
  daemon::Config& config = arguments->config;
  CreateOptions& create = config.create;
  const auto add = [&](CLI::Option* option) { option->excludes(file); };
  const auto add_limit = [&](const char* name, uint64_t& limit, const char* purpose) {
    CLI::Option* option = add_whole_number(command, name, limit, purpose);
    option->default_str(std::to_string(limit));
    add(option);
  };
  add(command.add_option("--book", config.book, "Name of the book")->type_name("NAME"));
  add(command.add_option("--dir", config.journal.directory, "Directory of the journal")
          ->type_name("DIR"));
  add(command.add_option("--shm", arguments->shm, "Directory of the book itself")
          ->type_name("DIR")
          ->default_str("/dev/shm"));
  add_limit("--accounts", create.accounts, "Accounts it can hold");
  add_limit("--payments", create.payments, "Payment ids kept within the window");
  CLI::Option* window =
      add_duration(command, "--window", create.window, "How long a payment id keeps its answer");
  window->default_str("24h");
  add(window);
  add_limit("--leases", create.leases, "Leases held at one time");
  add_limit("--records", create.records, "Records kept in the ring, at least");
  add_limit("--sessions", arguments->sessions, "Sessions at one time, over all processes");
}

}  // namespace casbook::cli
