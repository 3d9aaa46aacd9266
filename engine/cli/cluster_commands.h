// What the subcommands of `cluster` share: how the daemon of this host is asked for something.
#pragma once

#include <chrono>

#include "cli/menu.h"
#include "daemon/control_socket.h"

namespace casbook::cli {

// The answer, or its error. not_served: no daemon of a cluster serves that book here.
Result<daemon::Json> ask_book(const std::string& book, const daemon::Json& request,
                              std::chrono::milliseconds timeout, const Common& common);

void add_member_commands(Menu& menu, CLI::App& group);

}  // namespace casbook::cli
