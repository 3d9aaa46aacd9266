// balance: what one account holds.
#include "cli/answers.h"
#include "cli/arguments.h"
#include "cli/balance_json.h"

namespace casbook::cli {

namespace {

constexpr CommandText kBalanceText{
    "balance", "What an account holds",
    "The position is the last commit that changed the account, or the one asked for with --at.\n"
    "With --linearizable it is one that no acknowledged payment is behind, on whatever host it "
    "was\n"
    "made, and that is never undone: a majority of the cluster is asked who leads.\n"
    "\n"
    "Examples:\n"
    "  casbook balance demo alice\n"
    "  casbook balance demo alice --json\n"
    "  casbook balance demo alice --at 281474976710700"};

struct BalanceArguments {
  std::string book, account;
  Position at;
  bool is_linearizable = false;
  std::chrono::milliseconds timeout = std::chrono::seconds(5);
};

Result<Balance> read_balance(const Book& book, Account account, Position at) {
  if (at.value == 0) return book.balance(account);
  auto balances = book.balances({&account, 1}, at);
  if (!balances) return balances.error();
  return balances->front();
}

ExitCode show_balance(const BalanceArguments& arguments, const Common& common) {
  auto book = arguments.is_linearizable ? Book::attach(arguments.book, common.directory)
                                        : Book::observe(arguments.book, common.directory);
  if (!book) return refuse(common, book.error());
  Position at = arguments.at;
  if (arguments.is_linearizable) {
    auto confirmed = book->confirm_leading(arguments.timeout);
    if (!confirmed) return refuse(common, confirmed.error());
    at = *confirmed;
  }
  auto account = book->find_account(account_id(arguments.account));
  if (!account) return refuse(common, account.error());
  auto balance = read_balance(*book, *account, at);
  if (!balance) return refuse(common, balance.error());
  print_object(balance_json(Names(*book).of(*account), *balance), common.json);
  return ExitCode::done;
}

}  // namespace

const std::vector<Column> kBalanceColumns = {{"account"},
                                             {"ledger"},
                                             {"available", Align::right},
                                             {"held", Align::right},
                                             {"position", Align::right}};

Json balance_json(const Names::Known& account, const Balance& balance) {
  return {{"account", account.id},
          {"ledger", account.ledger},
          {"available", format_amount(balance.available, account.scale)},
          {"held", format_amount(balance.held, account.scale)},
          {"position", std::to_string(balance.position.value)}};
}

void add_balance_command(Menu& menu) {
  auto arguments = std::make_shared<BalanceArguments>();
  CLI::App& command = menu.command(menu.root(), kBalanceText, [arguments](const Common& common) {
    return show_balance(*arguments, common);
  });
  add_book(command, arguments->book);
  add_id(command, "ACCOUNT", arguments->account, "Id of the account")->required();
  CLI::Option* at = add_position(command, "--at", arguments->at,
                                 "As of an earlier position, while the ring holds it");
  CLI::Option* linearizable =
      command
          .add_flag("--linearizable", arguments->is_linearizable,
                    "Confirmed by a majority of the cluster, on the leader's host")
          ->excludes(at);
  add_duration(command, "--timeout", arguments->timeout, "How long to wait for the majority")
      ->default_str("5s")
      ->needs(linearizable);
}

}  // namespace casbook::cli
