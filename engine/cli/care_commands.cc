// audit, fsck, quarantine, unfollow: when a book is in doubt, or stands still.
#include <algorithm>

#include "cli/answers.h"
#include "cli/arguments.h"

namespace casbook::cli {

namespace {

constexpr CommandText kAuditText{
    "audit", "Prove that no money appeared or vanished",
    "Adds up all accounts at one position and follows the chain of the records. Exit code 1 when\n"
    "there is a problem.\n"
    "\n"
    "Examples:\n"
    "  casbook audit demo\n"
    "  casbook audit demo --json"};

constexpr CommandText kFsckText{
    "fsck", "Find damage in a book and name it",
    "Looks at every cell, descriptor, log slot, record, block, account, payment id and lease, and\n"
    "audits. Writes nothing; the book may be in use meanwhile. Exit code 1 when there is damage:\n"
    "quarantine the book then, and rebuild it elsewhere.\n"
    "\n"
    "Examples:\n"
    "  casbook fsck demo\n"
    "  casbook fsck demo --json"};

constexpr CommandText kQuarantineText{
    "quarantine", "Refuse all writing to a book, or allow it again",
    "With on, no payment commits once the command is back; whoever tries is told quarantined, and\n"
    "the same id may be sent again later. Reading goes on.\n"
    "\n"
    "Examples:\n"
    "  casbook quarantine demo on\n"
    "  casbook quarantine demo off"};

constexpr CommandText kUnfollowText{
    "unfollow", "Take a follower's registration back",
    "The record ring does not wait for it any more, so payments refused with backpressure go\n"
    "through; what it had not read is overwritten in time. Refused while its process lives, "
    "unless\n"
    "--force is given: it is told overrun then. That of a journal is never taken back.\n"
    "\n"
    "Examples:\n"
    "  casbook status demo              # its followers, their lag, whether they live\n"
    "  casbook unfollow demo auditor"};

// Under which the daemon that keeps the journal follows.
constexpr const char* kJournalFollower = "journal";
constexpr uint32_t kAuditTriesMax = 10;  // an audit is overrun by a ring that turns over meanwhile

ExitCode audit(const std::string& name, const Common& common) {
  auto book = Book::observe(name, common.directory);
  if (!book) return refuse(common, book.error());
  auto report = book->audit();
  for (uint32_t i = 1; i < kAuditTriesMax && !report && report.error().code == Code::overrun; ++i)
    report = book->audit();
  if (!report) return refuse(common, report.error());
  const Json object = {{"ok", report->ok},
                       {"accounts", report->accounts},
                       {"records", report->records},
                       {"position", std::to_string(report->position.value)},
                       {"problems", report->problems}};
  print_object(object, common.json);
  return report->ok ? ExitCode::done : ExitCode::refused;
}

ExitCode fsck(const std::string& name, const Common& common) {
  auto book = Book::observe(name, common.directory);
  if (!book) return refuse(common, book.error());
  const CheckReport report = book->check();
  print_object({{"ok", report.ok},
                {"position", std::to_string(report.position.value)},
                {"problems", report.problems}},
               common.json);
  return report.ok ? ExitCode::done : ExitCode::refused;
}

ExitCode quarantine(const std::string& name, bool on, const Common& common) {
  auto book = Book::attach(name, common.directory);
  if (!book) return refuse(common, book.error());
  if (auto done = book->set_quarantine(on); !done) return refuse(common, done.error());
  print_object({{"book", name}, {"quarantined", on}}, common.json);
  return ExitCode::done;
}

ExitCode unfollow(const std::string& name, const std::string& follower, bool is_forced,
                  const Common& common) {
  auto book = Book::attach(name, common.directory);
  if (!book) return refuse(common, book.error());
  const BookStatus status = book->status();
  const auto found = std::find_if(status.followers.begin(), status.followers.end(),
                                  [&](const FollowerStatus& f) { return f.name == follower; });
  const auto bad = [&](const char* what) {
    return refuse(common, Error{Code::bad_argument, false, 0, 0, "follower " + follower + what});
  };
  if (found == status.followers.end()) return bad(": not registered here");
  if (follower == kJournalFollower && status.journal.journaled)
    return bad(": the journal needs every record; serve the book, or rebuild it from a backup");
  if (found->alive && !is_forced) return bad(": its process lives; end it, or use --force");
  auto resumed = book->follow(follower, found->policy);
  if (!resumed) return refuse(common, resumed.error());
  resumed->remove();
  print_object({{"book", name}, {"follower", follower}, {"lag", found->lag}}, common.json);
  return ExitCode::done;
}

template <class Run>
void add_on_book(Menu& menu, const CommandText& text, Run run) {
  auto book = std::make_shared<std::string>();
  CLI::App& command = menu.command(
      menu.root(), text, [book, run](const Common& common) { return run(*book, common); });
  add_book(command, *book);
}

void add_unfollow(Menu& menu) {
  struct Arguments {
    std::string book, follower;
    bool is_forced = false;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command = menu.command(menu.root(), kUnfollowText, [arguments](const Common& common) {
    return unfollow(arguments->book, arguments->follower, arguments->is_forced, common);
  });
  add_book(command, arguments->book);
  command.add_option("NAME", arguments->follower, "The follower's name")->required();
  command.add_flag("--force", arguments->is_forced, "Also while its process lives");
}

}  // namespace

void add_care_commands(Menu& menu) {
  add_on_book(menu, kAuditText, audit);
  add_on_book(menu, kFsckText, fsck);
  struct Arguments {
    std::string book, state;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command = menu.command(menu.root(), kQuarantineText, [arguments](const Common& common) {
    return quarantine(arguments->book, arguments->state == "on", common);
  });
  add_book(command, arguments->book);
  command.add_option("STATE", arguments->state, "on or off")
      ->required()
      ->check(CLI::IsMember({"on", "off"}));
  add_unfollow(menu);
}

}  // namespace casbook::cli
