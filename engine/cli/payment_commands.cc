// pay, payment show.
#include "cli/answers.h"
#include "cli/arguments.h"
#include "cli/asked_to_write.h"
#include "cli/lease_name.h"
#include "cli/order.h"
#include "cli/payment_json.h"

namespace casbook::cli {

namespace {

constexpr CommandText kPayText{
    "pay", "Move an amount from one account to another, once",
    "The payment id makes it safe to send again: the same id with the same content gets the first\n"
    "answer. Unless the id carries its time (ULID, UUIDv7), that promise lasts as long as the\n"
    "book's window. Refusals for want of money are final for the id; others are not recorded.\n"
    "With --durable it ends with 0 only when the answer is on disk, with 4 when the time is over:\n"
    "send the same id again then. That needs a daemon (casbook serve). With --quorum the memory of\n"
    "a majority of the cluster is enough; there --durable means the disks of a majority.\n"
    "\n"
    "Examples:\n"
    "  casbook pay demo --id 4710 --debit bank --credit alice --amount 1 --ledger CZK --durable\n"
    "  casbook pay demo --id 4711 --debit bank --credit alice --amount 100.50 --ledger CZK\n"
    "  casbook pay demo --id 4712 --debit alice --credit bob --amount 3 --ledger CZK \\\n"
    "      --lease settlement --token 281474976710700 --json"};

constexpr CommandText kShowText{"show", "What became of a payment id",
                                "Examples:\n"
                                "  casbook payment show demo 4711\n"
                                "  casbook payment show demo 4711 --json"};

struct PayArguments {
  std::string book, id, debit, credit, amount, ledger, code, time, lease;
  Position token;
  bool is_durable = false, is_quorum = false;
  std::chrono::milliseconds timeout = std::chrono::seconds(5);
};

OrderText order_text(const PayArguments& arguments) {
  return {arguments.id,     arguments.debit, arguments.credit, arguments.amount,
          arguments.ledger, arguments.code,  arguments.time};
}

ExitCode pay(const PayArguments& arguments, const Common& common) {
  auto writer = open_writer(arguments.book, common);
  if (!writer) return refuse(common, writer.error());
  Book& book = writer->book;
  auto ledger = book.find_ledger(arguments.ledger);
  if (!ledger) return refuse(common, asked_to_write(book, ledger.error()));
  auto order = parse_order(order_text(arguments), *ledger);
  if (!order) return refuse(common, order.error());
  Payment payment = payment_of(*order, handle_of(book.find_account(order->debit), *ledger),
                               handle_of(book.find_account(order->credit), *ledger));
  if (!arguments.lease.empty())
    payment.guard(lease_by_name(book, arguments.lease, arguments.token));
  const Level level = arguments.is_durable  ? Level::durable
                      : arguments.is_quorum ? Level::quorum
                                            : Level::memory;
  auto receipt = writer->session.pay(payment, level, arguments.timeout);
  if (!receipt)
    return refuse(common, asked_to_write(book, receipt.error()), {{"id", arguments.id}});
  Names names(book);
  print_object(receipt_json(payment, *receipt, level, names), common.json);
  return ExitCode::done;
}

struct ShowArguments {
  std::string book, id;
};

ExitCode show_payment(const ShowArguments& arguments, const Common& common) {
  auto book = Book::observe(arguments.book, common.directory);
  if (!book) return refuse(common, book.error());
  auto payment = book->lookup(payment_id(arguments.id));
  if (!payment) return refuse(common, payment.error());
  Names names(*book);
  print_object(payment_json(*payment, names), common.json);
  return ExitCode::done;
}

void add_pay(Menu& menu) {
  auto arguments = std::make_shared<PayArguments>();
  CLI::App& command = menu.command(
      menu.root(), kPayText, [arguments](const Common& common) { return pay(*arguments, common); });
  add_book(command, arguments->book);
  add_id(command, "--id", arguments->id, "Payment id: the idempotency key")->required();
  add_id(command, "--debit", arguments->debit, "Account that pays")->required();
  add_id(command, "--credit", arguments->credit, "Account that is paid")->required();
  add_amount(command, "--amount", arguments->amount, "Decimal, at most as fine as the ledger")
      ->required();
  command.add_option("--ledger", arguments->ledger, "Ledger of both accounts")
      ->required()
      ->type_name("LEDGER");
  command.add_option("--code", arguments->code, "For reconciliation: stored and shown")
      ->type_name("N");
  command.add_option("--time", arguments->time, "When it was ordered; stored as user data")
      ->type_name("TIME");
  CLI::Option* lease =
      command.add_option("--lease", arguments->lease, "Pay only while this lease has the token")
          ->type_name("NAME");
  CLI::Option* token = add_position(command, "--token", arguments->token, "Token of the lease");
  token->type_name("TOKEN")->needs(lease);
  lease->needs(token);
  CLI::Option* durable = command.add_flag("--durable", arguments->is_durable,
                                          "Answer when it is on disk, refusals too");
  command
      .add_flag("--quorum", arguments->is_quorum,
                "Answer when a majority of the cluster has it in memory")
      ->excludes(durable);
  add_duration(command, "--timeout", arguments->timeout, "How long to wait for the level")
      ->default_str("5s");
}

void add_show(Menu& menu) {
  auto arguments = std::make_shared<ShowArguments>();
  CLI::App& group = menu.group("payment", "Payments: show");
  CLI::App& command = menu.command(group, kShowText, [arguments](const Common& common) {
    return show_payment(*arguments, common);
  });
  add_book(command, arguments->book);
  add_id(command, "ID", arguments->id, "Payment id")->required();
}

}  // namespace

void add_payment_commands(Menu& menu) {
  add_pay(menu);
  add_show(menu);
}

}  // namespace casbook::cli
