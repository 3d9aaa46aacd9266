// log, history: what happened, in order.
#include "cli/answers.h"
#include "cli/arguments.h"
#include "cli/payment_json.h"
#include "cli/stop_signals.h"
#include "cli/time_text.h"

namespace casbook::cli {

namespace {

using std::chrono::milliseconds;

constexpr CommandText kLogText{
    "log", "The records of the book, in order",
    "From the oldest one that the ring still holds, or from --from on, up to the last. With\n"
    "--follow it waits for more, until SIGINT. It delays nobody: records that leave the ring\n"
    "before they are read are skipped, and that is said on stderr. Of a book with a journal the\n"
    "log ends with what is on disk; --undurable shows what a recovery may undo yet.\n"
    "\n"
    "Examples:\n"
    "  casbook log demo\n"
    "  casbook log demo --from 281474976710700 --follow --json"};

constexpr CommandText kHistoryText{
    "history", "The payments of an account, oldest first",
    "Those that the ring still holds.\n"
    "\n"
    "Examples:\n"
    "  casbook history demo alice\n"
    "  casbook history demo alice --from 281474976710700 --limit 50 --json"};

constexpr milliseconds kFollowPause{20};  // between two looks at the end of the log
constexpr uint32_t kRecordsBetweenStops = 256;
constexpr uint32_t kHistoryTriesMax = 10;  // a ring that turns over meanwhile overruns it

struct LogArguments {
  std::string book;
  Position from;
  bool follow = false, undurable = false;
};

bool is_of_payment(const LogRecord& record) {
  return record.kind == RecordKind::payment || record.kind == RecordKind::refusal;
}

Json guards_json(const LogRecord& record) {
  Json list = Json::array();
  for (const Lease& guard : record.guards) list.push_back(std::to_string(guard.token.value));
  return list;
}

Json record_json(const LogRecord& record, Names& names) {
  Json object = {{"position", std::to_string(record.position.value)},
                 {"time", format_time(record.time_ms)},
                 {"kind", record_kind_name(record.kind)}};
  if (is_of_payment(record)) {
    object["payment"] = payment_json(record.payment, names);
    object["guard_tokens"] = guards_json(record);
  }
  if (record.account != Account{}) object["account"] = names.of(record.account).id;
  if (!record.name.empty()) object["lease"] = record.name;
  return object;
}

std::string record_text(const LogRecord& record, Names& names) {
  std::string text = std::to_string(record.position.value) + "  " + format_time(record.time_ms) +
                     "  " + record_kind_name(record.kind);
  const PaymentInfo& payment = record.payment;
  if (is_of_payment(record)) text += "  " + payment.id.value.text();
  if (record.kind == RecordKind::refusal) text += std::string("  ") + code_name(payment.refusal);
  if (is_of_payment(record)) text += "  " + postings_text(payment, names);
  for (const Lease& guard : record.guards) text += "  token " + std::to_string(guard.token.value);
  if (record.account != Account{}) text += "  " + names.of(record.account).id;
  if (!record.name.empty()) text += "  " + record.name;
  return text + "\n";
}

// Prints records until the end, the wish to stop, or the reader's going away.
class LogPrinter {
 public:
  LogPrinter(const Book& book, LogReader reader, const LogArguments& arguments,
             const Common& common)
      : names_(book),
        reader_(std::move(reader)),
        end_(book.position()),  // without --follow: others may write faster than we print
        follow_(arguments.follow),
        common_(common) {}

  ExitCode run() {
    for (uint32_t count = 1;; ++count) {
      auto record = reader_.next();
      if (!record && record.error().code == Code::overrun) {
        skip();
        continue;
      }
      if (!record) return refuse(common_, record.error());
      if (*record && !put(**record)) return ExitCode::done;
      if (!*record && !follow_) return ExitCode::done;
      if (!*record && !flush_output()) return ExitCode::done;
      const bool is_time_to_look = !*record || count % kRecordsBetweenStops == 0;
      if (follow_ && is_time_to_look && is_stopped(*record ? milliseconds(0) : kFollowPause))
        return ExitCode::done;
    }
  }

 private:
  // False when nothing is to follow.
  bool put(const LogRecord& record) {
    const bool is_open =
        print(common_.json ? json_line(record_json(record, names_)) : record_text(record, names_));
    return is_open && (follow_ || record.position < end_);
  }
  void skip() {
    const uint64_t skipped = reader_.skip_to_oldest();
    print_error(std::to_string(skipped) + " records left the ring before they were read");
  }
  bool is_stopped(milliseconds pause) { return signals_.wait(pause) == StopSignals::Woken::stop; }

  Names names_;
  LogReader reader_;
  StopSignals signals_;
  Position end_;
  bool follow_;
  const Common& common_;
};

ExitCode print_log(const LogArguments& arguments, const Common& common) {
  auto book = Book::observe(arguments.book, common.directory);
  if (!book) return refuse(common, book.error());
  auto reader = arguments.undurable ? book->read_log(arguments.from, Level::memory)
                                    : book->read_log(arguments.from);
  if (!reader) return refuse(common, reader.error());
  return LogPrinter(*book, std::move(*reader), arguments, common).run();
}

struct HistoryArguments {
  std::string book, account;
  Position from;
  uint64_t limit = 1000;
};

Json others_json(const HistoryLine& line, Account account, Names& names) {
  Json others = Json::array();
  for (uint32_t i = 0; i < line.payment.posting_count; ++i) {
    const Account other = line.payment.postings[i].account;
    if (other.index != account.index) others.push_back(names.of(other).id);
  }
  return others;
}

Json history_json(const HistoryLine& line, Account account, Names& names) {
  return {{"account", names.of(account).id},
          {"ledger", names.of(account).ledger},
          {"position", std::to_string(line.payment.position.value)},
          {"time", format_time(line.payment.time_ms)},
          {"payment", line.payment.id.value.text()},
          {"change", names.amount(account, line.change)},
          {"available", names.amount(account, line.available_after)},
          {"code", line.payment.code},
          {"with", others_json(line, account, names)}};
}

Result<std::vector<HistoryLine>> read_history(const Book& book, Account account,
                                              const HistoryArguments& arguments) {
  const auto limit = static_cast<uint32_t>(std::min<uint64_t>(arguments.limit, UINT32_MAX));
  auto lines = book.history(account, arguments.from, limit);
  for (uint32_t i = 1; i < kHistoryTriesMax; ++i) {
    if (lines || lines.error().code != Code::overrun) break;
    lines = book.history(account, arguments.from, limit);
  }
  return lines;
}

ExitCode print_history(const HistoryArguments& arguments, const Common& common) {
  auto book = Book::observe(arguments.book, common.directory);
  if (!book) return refuse(common, book.error());
  auto account = book->find_account(account_id(arguments.account));
  if (!account) return refuse(common, account.error());
  auto lines = read_history(*book, *account, arguments);
  if (!lines) return refuse(common, lines.error());
  Table table({{"position", Align::right},
               {"time"},
               {"payment"},
               {"change", Align::right},
               {"available", Align::right},
               {"with"}},
              common.json);
  Names names(*book);
  for (const HistoryLine& line : *lines)
    if (!table.add(history_json(line, *account, names))) break;
  table.finish();
  if (!lines->empty() && lines->size() == arguments.limit)
    print_error("there may be more: go on with --from " +
                std::to_string(lines->back().payment.position.value + 1));
  return ExitCode::done;
}

void add_log(Menu& menu) {
  auto arguments = std::make_shared<LogArguments>();
  CLI::App& command = menu.command(menu.root(), kLogText, [arguments](const Common& common) {
    return print_log(*arguments, common);
  });
  add_book(command, arguments->book);
  add_position(command, "--from", arguments->from, "The first record to show");
  command.add_flag("--follow", arguments->follow, "Wait for more, until SIGINT");
  command.add_flag("--undurable", arguments->undurable, "Also what is not on disk yet");
}

void add_history(Menu& menu) {
  auto arguments = std::make_shared<HistoryArguments>();
  CLI::App& command = menu.command(menu.root(), kHistoryText, [arguments](const Common& common) {
    return print_history(*arguments, common);
  });
  add_book(command, arguments->book);
  add_id(command, "ACCOUNT", arguments->account, "Id of the account")->required();
  add_position(command, "--from", arguments->from, "Not before this position");
  add_whole_number(command, "--limit", arguments->limit, "At most so many payments")
      ->default_str("1000");
}

}  // namespace

void add_log_commands(Menu& menu) {
  add_log(menu);
  add_history(menu);
}

}  // namespace casbook::cli
