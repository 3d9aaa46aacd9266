// create, destroy, ledger open.
#include "base/duration.h"
#include "base/file_rights.h"
#include "base/quote.h"
#include "cli/answers.h"
#include "cli/arguments.h"

namespace casbook::cli {

namespace {

struct CreateArguments {
  std::string book, owner, group, mode;
  CreateOptions options;
  uint64_t sessions = CreateOptions{}.sessions;
};

constexpr CommandText kCreateText{
    "create", "Create a book",
    "Everything is allocated at once, and compared with the memory that is available. A payment\n"
    "id is kept for the window; --payments over --window is the rate that can be sustained (a\n"
    "text id of more than 16 bytes that is no ULID counts as three payments).\n"
    "\n"
    "Examples:\n"
    "  casbook create demo --accounts 100000 --payments 1000000 --leases 64 --window 24h\n"
    "  casbook create demo --accounts 500 --payments 10000 --group staff --mode 0660"};

constexpr CommandText kDestroyText{
    "destroy", "Remove a book",
    "Attached processes keep their mapping; nobody else can attach any more.\n"
    "\n"
    "Example:\n"
    "  casbook destroy demo"};

constexpr CommandText kLedgerOpenText{"open", "Open a ledger: one currency or unit",
                                      "Opening it again with the same scale changes nothing.\n"
                                      "\n"
                                      "Examples:\n"
                                      "  casbook ledger open demo CZK --scale 2\n"
                                      "  casbook ledger open demo points --scale 0"};

Error unknown(const char* option, const std::string& text, const char* wanted) {
  return {.code = Code::bad_argument,
          .detail = std::string(option) + ": expected " + wanted + ", got " + base::quoted(text)};
}

// --owner, --group and --mode, where they were given.
Result<void> read_permissions(const CreateArguments& arguments, CreateOptions& options) {
  if (!arguments.owner.empty()) {
    options.owner = base::parse_user(arguments.owner);
    if (!options.owner) return unknown("--owner", arguments.owner, "the name or number of a user");
  }
  if (!arguments.group.empty()) {
    options.group = base::parse_group(arguments.group);
    if (!options.group) return unknown("--group", arguments.group, "the name or number of a group");
  }
  if (arguments.mode.empty()) return {};
  const auto mode = base::parse_mode(arguments.mode);
  if (!mode) return unknown("--mode", arguments.mode, "an octal mode up to 0777, like 0660");
  options.mode = *mode;
  return {};
}

// "1.16": three digits that count.
std::string rate_text(double per_second) {
  char text[64];
  std::snprintf(text, sizeof text, "%.3g", per_second);
  return per_second < 1000 ? text : std::to_string(static_cast<uint64_t>(per_second));
}

Json describe(const BookStatus& status, bool as_json) {
  const double rate = status.payments_per_second_sustained;
  return {{"book", status.name},
          {"path", status.path},
          {"bytes", status.bytes},
          {"accounts", status.accounts_max},
          {"payments", status.payments_max},
          {"window", base::format_duration(status.window)},
          {"payments_per_second_sustained", as_json ? Json(rate) : Json(rate_text(rate))},
          {"leases", status.leases_max},
          {"sessions", status.sessions_max},
          {"records", status.records_max},
          {"ledgers", status.ledgers_max}};
}

ExitCode create(const CreateArguments& arguments, const Common& common) {
  CreateOptions options = arguments.options;
  options.directory = common.directory;
  options.sessions = static_cast<uint32_t>(std::min<uint64_t>(arguments.sessions, UINT32_MAX));
  if (auto read = read_permissions(arguments, options); !read) return refuse(common, read.error());
  auto book = Book::create(arguments.book, options);
  if (!book) return refuse(common, book.error());
  print_object(describe(book->status(), common.json), common.json);
  return ExitCode::done;
}

ExitCode destroy(const std::string& book, const Common& common) {
  if (auto destroyed = Book::destroy(book, common.directory); !destroyed)
    return refuse(common, destroyed.error());
  print_object({{"destroyed", book}}, common.json);
  return ExitCode::done;
}

struct LedgerArguments {
  std::string book, ledger;
  uint64_t scale = 0;
};

ExitCode open_ledger(const LedgerArguments& arguments, const Common& common) {
  auto writer = open_writer(arguments.book, common);
  if (!writer) return refuse(common, writer.error());
  const auto scale = static_cast<uint32_t>(std::min<uint64_t>(arguments.scale, UINT32_MAX));
  auto ledger = writer->session.open_ledger(arguments.ledger, scale);
  if (!ledger) return refuse(common, ledger.error());
  print_object({{"ledger", ledger->name}, {"scale", ledger->scale}}, common.json);
  return ExitCode::done;
}

void add_create(Menu& menu) {
  auto arguments = std::make_shared<CreateArguments>();
  CLI::App& command = menu.command(menu.root(), kCreateText, [arguments](const Common& common) {
    return create(*arguments, common);
  });
  CreateOptions& options = arguments->options;
  const auto add_limit = [&](const char* name, uint64_t& limit, const char* purpose) {
    add_whole_number(command, name, limit, purpose)->default_str(std::to_string(limit));
  };
  add_book(command, arguments->book);
  add_limit("--accounts", options.accounts, "Accounts it can hold");
  add_limit("--payments", options.payments, "Payment ids kept within the window");
  add_duration(command, "--window", options.window, "How long a payment id keeps its answer")
      ->default_str("24h");
  add_limit("--leases", options.leases, "Leases held at one time");
  add_limit("--sessions", arguments->sessions, "Sessions at one time, over all processes");
  add_limit("--records", options.records, "Records kept in the ring, at least");
  add_limit("--ledgers", options.ledgers, "Ledgers it can hold");
  command.add_option("--owner", arguments->owner, "Owner of the file")->type_name("USER");
  command.add_option("--group", arguments->group, "Group of the file")->type_name("GROUP");
  command.add_option("--mode", arguments->mode, "Mode of the file")
      ->type_name("OCTAL")
      ->default_str("0600");
}

void add_destroy(Menu& menu) {
  auto book = std::make_shared<std::string>();
  CLI::App& command = menu.command(menu.root(), kDestroyText,
                                   [book](const Common& common) { return destroy(*book, common); });
  add_book(command, *book);
}

void add_ledger(Menu& menu) {
  auto arguments = std::make_shared<LedgerArguments>();
  CLI::App& ledger = menu.group("ledger", "Ledgers: one currency or unit each");
  CLI::App& command = menu.command(ledger, kLedgerOpenText, [arguments](const Common& common) {
    return open_ledger(*arguments, common);
  });
  add_book(command, arguments->book);
  command.add_option("LEDGER", arguments->ledger, "Its name, 1 to 16 bytes")
      ->required()
      ->type_name("");
  add_whole_number(command, "--scale", arguments->scale, "Decimals of an amount, 0 to 18")
      ->required();
}

}  // namespace

void add_book_commands(Menu& menu) {
  add_create(menu);
  add_destroy(menu);
  add_ledger(menu);
}

}  // namespace casbook::cli
