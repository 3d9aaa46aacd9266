// What a subcommand says when the book said no, or could not be asked.
#pragma once

#include <string>

#include <casbook/book.h>
#include <casbook/session.h>

#include "cli/menu.h"
#include "cli/output.h"

namespace casbook::cli {

// "code: sentence (detail)"; of a bad argument only the detail, which names it.
std::string message_of(const Error& error);
// Says it on stderr, whether trying again can help included, and with --json as an object on
// stdout too: outcome, final, detail, and of what the book judged position (Error), recorded,
// replayed, and time. What `subject` holds stands before them.
ExitCode refuse(const Common& common, const Error& error, Json subject = Json::object());
ExitCode refuse_usage(const Common& common, std::string detail);
void add_refusal(Json& object, const Error& error);

// A book that this process may change, and its session.
struct Writer {
  Book book;
  Session session;
};
Result<Writer> open_writer(const std::string& book, const Common& common);

}  // namespace casbook::cli
