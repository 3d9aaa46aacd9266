// account open, show, list, close.
#include "cli/answers.h"
#include "cli/arguments.h"
#include "cli/asked_to_write.h"
#include "cli/balance_json.h"
#include "cli/limits_text.h"
#include "cli/time_text.h"

namespace casbook::cli {

namespace {

constexpr CommandText kOpenText{
    "open", "Open an account",
    "An id of 1 to 38 digits without a leading zero is a number, a UUID is a UUID, anything\n"
    "else up to 40 bytes is text. Opening an account again with the same properties changes\n"
    "nothing.\n"
    "\n"
    "Examples:\n"
    "  casbook account open demo bank --ledger CZK\n"
    "  casbook account open demo alice --ledger CZK --min-available 0\n"
    "  casbook account open demo bob --ledger CZK --min-available -500.00 --max-available 10000"};

constexpr CommandText kShowText{"show", "Everything about one account",
                                "Example:\n"
                                "  casbook account show demo alice"};

constexpr CommandText kListText{
    "list", "All accounts at one position",
    "The balances belong together: no payment is seen by half, while others go on paying.\n"
    "\n"
    "Examples:\n"
    "  casbook account list demo\n"
    "  casbook account list demo --json\n"
    "  casbook account list demo --at 281474976710700"};

constexpr CommandText kCloseText{
    "close", "Close an account that is empty",
    "Nothing can be paid from it or to it any more. Closing it again changes nothing.\n"
    "\n"
    "Example:\n"
    "  casbook account close demo alice"};

constexpr uint32_t kSnapshotTriesMax = 10;  // a ring that turns over meanwhile overruns a snapshot

struct OpenArguments {
  std::string book, account, ledger;
  LimitsText limits;
  uint64_t code = 0;
};

ExitCode open_account(const OpenArguments& arguments, const Common& common) {
  auto writer = open_writer(arguments.book, common);
  if (!writer) return refuse(common, writer.error());
  auto ledger = writer->book.find_ledger(arguments.ledger);
  if (!ledger) return refuse(common, asked_to_write(writer->book, ledger.error()));
  auto limits = parse_limits(arguments.limits, ledger->scale);
  if (!limits) return refuse(common, limits.error());
  if (arguments.code > UINT32_MAX) return refuse_usage(common, "--code: expected less than 2^32");
  const AccountOptions options{
      .ledger = arguments.ledger, .limits = *limits, .code = static_cast<uint32_t>(arguments.code)};
  auto account = writer->session.open_account(account_id(arguments.account), options);
  if (!account) return refuse(common, account.error());
  const Json object = {{"account", arguments.account}, {"ledger", arguments.ledger}};
  print_object(object, common.json);
  return ExitCode::done;
}

struct AccountArguments {
  std::string book, account;
};

Json limit_json(std::optional<Amount> limit, uint32_t scale) {
  return limit ? Json(format_amount(*limit, scale)) : Json();
}

Json describe(const AccountInfo& info, const Balance& balance) {
  Json object = balance_json({info.id.value.text(), info.ledger, info.scale}, balance);
  object["min_available"] = limit_json(info.limits.min_available, info.scale);
  object["max_available"] = limit_json(info.limits.max_available, info.scale);
  object["code"] = info.code;
  object["opened"] = format_time(info.opened_ms);
  object["closed"] = info.closed;
  return object;
}

ExitCode show_account(const AccountArguments& arguments, const Common& common) {
  auto book = Book::observe(arguments.book, common.directory);
  if (!book) return refuse(common, book.error());
  auto account = book->find_account(account_id(arguments.account));
  if (!account) return refuse(common, account.error());
  auto info = book->account_info(*account);
  if (!info) return refuse(common, info.error());
  auto balance = book->balance(*account);
  if (!balance) return refuse(common, balance.error());
  print_object(describe(*info, *balance), common.json);
  return ExitCode::done;
}

struct ListArguments {
  std::string book;
  Position at;
};

ExitCode list_accounts(const ListArguments& arguments, const Common& common) {
  auto book = Book::observe(arguments.book, common.directory);
  if (!book) return refuse(common, book.error());
  auto taken = book->snapshot(arguments.at);
  const bool is_past = arguments.at.value != 0;
  for (uint32_t i = 1; i < kSnapshotTriesMax && !taken && !is_past; ++i) taken = book->snapshot();
  if (!taken) return refuse(common, taken.error());
  Names names(*book);
  Table table(kBalanceColumns, common.json);
  for (const AccountBalance& line : taken->accounts) {
    const Balance balance{line.available, line.held, taken->position};
    if (!table.add(balance_json(names.of(line.account), balance))) break;
  }
  table.finish();
  return ExitCode::done;
}

ExitCode close_account(const AccountArguments& arguments, const Common& common) {
  auto writer = open_writer(arguments.book, common);
  if (!writer) return refuse(common, writer.error());
  auto account = writer->book.find_account(account_id(arguments.account));
  if (!account) return refuse(common, asked_to_write(writer->book, account.error()));
  if (auto closed = writer->session.close_account(*account); !closed)
    return refuse(common, closed.error());
  print_object({{"closed", arguments.account}}, common.json);
  return ExitCode::done;
}

void add_open(Menu& menu, CLI::App& group) {
  auto arguments = std::make_shared<OpenArguments>();
  CLI::App& command = menu.command(group, kOpenText, [arguments](const Common& common) {
    return open_account(*arguments, common);
  });
  add_book(command, arguments->book);
  add_id(command, "ACCOUNT", arguments->account, "Id of the account")->required();
  command.add_option("--ledger", arguments->ledger, "Its ledger, which must be open")
      ->required()
      ->type_name("LEDGER");
  add_amount(command, "--min-available", arguments->limits.min_available,
             "Debits go no lower; may be negative (no limit unless given)");
  add_amount(command, "--max-available", arguments->limits.max_available,
             "Credits go no higher (no limit unless given)");
  add_whole_number(command, "--code", arguments->code, "For reconciliation: stored and shown");
}

template <class Run>
void add_on_account(Menu& menu, CLI::App& group, const CommandText& text, Run run) {
  auto arguments = std::make_shared<AccountArguments>();
  CLI::App& command = menu.command(
      group, text, [arguments, run](const Common& common) { return run(*arguments, common); });
  add_book(command, arguments->book);
  add_id(command, "ACCOUNT", arguments->account, "Id of the account")->required();
}

void add_list(Menu& menu, CLI::App& group) {
  auto arguments = std::make_shared<ListArguments>();
  CLI::App& command = menu.command(group, kListText, [arguments](const Common& common) {
    return list_accounts(*arguments, common);
  });
  add_book(command, arguments->book);
  add_position(command, "--at", arguments->at,
               "As of an earlier position, while the ring holds it");
}

}  // namespace

void add_account_commands(Menu& menu) {
  CLI::App& group = menu.group("account", "Accounts: open, show, list, close");
  add_open(menu, group);
  add_on_account(menu, group, kShowText, show_account);
  add_list(menu, group);
  add_on_account(menu, group, kCloseText, close_account);
}

}  // namespace casbook::cli
