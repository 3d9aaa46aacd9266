// apply: the payments of a file, by several processes, each exactly once.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

#include "cli/answers.h"
#include "cli/apply_accounts.h"
#include "cli/apply_summary.h"
#include "cli/arguments.h"
#include "cli/progress_bar.h"

namespace casbook::cli {

namespace {

constexpr CommandText kApplyText{
    "apply", "Send the payments of a CSV file, each exactly once",
    "The file has a header and, in any order, the columns payment_id, debit_account,\n"
    "credit_account, amount, ledger, and perhaps code and time. Applying it again is safe: a\n"
    "payment id gets its first answer again (for the book's window, unless it carries its time).\n"
    "Rows are dealt to the processes by debit account: a payer's rows are sent in their order,\n"
    "rows of different payers are not. A process that is killed is replaced. Rows that moved no\n"
    "money are listed in the rejects file, with their line, the reason, and whether it is final.\n"
    "\n"
    "Exit code 0: every row executed or replayed; 1: some refused or rejected; 3: a process could\n"
    "not work on; 4: some rows without an answer (as after SIGINT): apply the same file again.\n"
    "\n"
    "Examples:\n"
    "  casbook apply demo payments.csv --processes 4\n"
    "  casbook apply demo payments.csv --processes 4 --open-accounts --min-available 0\n"
    "  casbook apply demo payments.csv --rejects failed.csv --json"};

constexpr uint64_t kProcessesMax = 256;

struct ApplyArguments {
  std::string book, file, rejects;
  uint64_t processes = std::max(1u, std::thread::hardware_concurrency());
  bool open_accounts = false;
  LimitsText limits;  // of the accounts that it opens
};

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file)
    return Error{.code = Code::io_error,
                 .detail = "FILE: cannot read " + path + ": " + std::strerror(errno)};
  return text;
}

// Attached only while it is asked.
Result<std::vector<LedgerInfo>> read_ledgers(const ApplyArguments& arguments,
                                             const Common& common) {
  auto book = Book::observe(arguments.book, common.directory);
  if (!book) return book.error();
  return book->ledgers();
}

Result<Plan> prepare(const ApplyArguments& arguments, const Common& common) {
  auto ledgers = read_ledgers(arguments, common);
  if (!ledgers) return ledgers.error();
  auto text = read_file(arguments.file);
  if (!text) return text.error();
  const auto workers = static_cast<uint32_t>(arguments.processes);
  auto plan = make_plan(*text, std::move(*ledgers), workers);
  if (!plan || !arguments.open_accounts) return plan;
  auto opened = open_missing_accounts(arguments.book, common.directory, *plan, arguments.limits);
  if (!opened) return opened.error();
  return plan;
}

void report_workers(const CrewReport& crew, const ApplySummary& summary) {
  for (const Code code : crew.failures)
    print_error(std::string("a process ended: ") + Error{.code = code, .detail = {}}.message());
  for (const uint32_t worker : crew.given_up)
    print_error("process " + std::to_string(worker) + " died again and again; its rows are left");
  if (summary.unanswered > 0)
    print_error(std::to_string(summary.unanswered) +
                " rows have no answer: apply the same file again");
}

ExitCode apply(const ApplyArguments& arguments, const Common& common) {
  if (arguments.processes < 1 || arguments.processes > kProcessesMax)
    return refuse_usage(common, "--processes: expected 1 to " + std::to_string(kProcessesMax));
  RejectsFile rejects(arguments.rejects.empty() ? arguments.file + ".rejects.csv"
                                                : arguments.rejects);
  if (auto opened = rejects.open(); !opened) return refuse(common, opened.error());
  auto plan = prepare(arguments, common);
  if (!plan) return refuse(common, plan.error());
  const ApplyBoard board(plan->orders.size(), plan->shares.size());
  const ApplySetting setting{arguments.book, common.directory, *plan, board};
  CrewReport crew;
  {
    ProgressBar bar(plan->orders.size());
    crew = run_crew(setting, [&bar](uint64_t answered) { bar.show(answered); });
  }
  const ApplySummary summary = sum_up(*plan, board, rejects);
  if (auto written = rejects.finish(); !written) return refuse(common, written.error());
  print_object(summary_json(summary, crew), common.json);
  report_workers(crew, summary);
  return crew.failures.empty() ? summary.exit_code() : ExitCode::environment;
}

}  // namespace

void add_apply_command(Menu& menu) {
  auto arguments = std::make_shared<ApplyArguments>();
  CLI::App& command = menu.command(menu.root(), kApplyText, [arguments](const Common& common) {
    return apply(*arguments, common);
  });
  add_book(command, arguments->book);
  command.add_option("FILE", arguments->file, "CSV file with a header")->required()->type_name("");
  add_whole_number(command, "--processes", arguments->processes, "Processes that send, 1 to 256")
      ->default_str(std::to_string(arguments->processes));
  CLI::Option* open = command.add_flag("--open-accounts", arguments->open_accounts,
                                       "Open the accounts that are missing, in their row's ledger");
  add_amount(command, "--min-available", arguments->limits.min_available,
             "Limit of every account that this opens (no limit unless given)")
      ->needs(open);
  command.add_option("--rejects", arguments->rejects, "Where rows that moved no money are listed")
      ->type_name("PATH")
      ->default_str("FILE.rejects.csv");
}

}  // namespace casbook::cli
