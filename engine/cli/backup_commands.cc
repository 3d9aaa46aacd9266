// checkpoint, backup, restore.
#include "cli/answers.h"
#include "cli/arguments.h"
#include "journal/backup.h"
#include "journal/directory_storage.h"

namespace casbook::cli {

namespace {

using journal::DirectoryStorage;
using std::chrono::milliseconds;

constexpr CommandText kCheckpointText{
    "checkpoint", "Have the daemon take a checkpoint now",
    "Recovery begins at the last one, and segments before it are removed. Payments go on. Ends\n"
    "when it is on disk.\n"
    "\n"
    "Example:\n"
    "  casbook checkpoint demo"};

constexpr CommandText kBackupText{
    "backup", "Copy a whole book, as it is now, while it is served",
    "Takes a checkpoint, copies it to DIR, which must be new or empty, and reads the copy whole.\n"
    "\n"
    "Examples:\n"
    "  casbook backup demo /backup/demo-2026-11-26\n"
    "  casbook restore /backup/demo-2026-11-26 --dir /var/lib/casbook/demo"};

constexpr CommandText kRestoreText{
    "restore", "Make a journal from a backup",
    "DIR must hold no journal. The book that is served from it stands as the backup does, under "
    "an\n"
    "identity of its own: segments and backups of the former journal are never mixed with it.\n"
    "Remove or rename what is left of the former book in /dev/shm before it is served, or give\n"
    "the restored one another name.\n"
    "\n"
    "Examples:\n"
    "  casbook restore /backup/demo-2026-11-26 --dir /var/lib/casbook/demo\n"
    "  casbook restore /backup/demo-2026-11-26 --dir /srv/audit --book audit\n"
    "  casbook serve --book demo --dir /var/lib/casbook/demo"};

constexpr uint32_t kCopyTriesMax = 3;  // the daemon may remove the one that is copied

struct BackupArguments {
  std::string book, target;
  milliseconds timeout = std::chrono::minutes(10);
};

Json checkpoint_json(const journal::CheckpointInfo& checkpoint) {
  return {{"checkpoint", checkpoint.name},
          {"position", std::to_string(checkpoint.position.value)},
          {"bytes", checkpoint.bytes},
          {"cells", checkpoint.cells},
          {"records", checkpoint.records}};
}

ExitCode take_checkpoint(const BackupArguments& arguments, const Common& common) {
  auto book = Book::attach(arguments.book, common.directory);
  if (!book) return refuse(common, book.error());
  const auto position = book->request_checkpoint(arguments.timeout);
  if (!position) return refuse(common, position.error());
  print_object({{"book", arguments.book}, {"position", std::to_string(position->value)}},
               common.json);
  return ExitCode::done;
}

Result<journal::CheckpointInfo> back_up(const Book& book, Position at, const std::string& target) {
  auto from = DirectoryStorage::observe(book.status().journal.directory);
  if (!from) return from.error();
  auto to = DirectoryStorage::open(target);
  if (!to) return to.error();
  return journal::back_up(**from, journal::checkpoint_name(at), **to);
}

ExitCode take_backup(const BackupArguments& arguments, const Common& common) {
  auto book = Book::attach(arguments.book, common.directory);
  if (!book) return refuse(common, book.error());
  for (uint32_t tries = 1;; ++tries) {
    const auto position = book->request_checkpoint(arguments.timeout);
    if (!position) return refuse(common, position.error());
    const auto copied = back_up(*book, *position, arguments.target);
    if (!copied && copied.error().code == Code::book_missing && tries < kCopyTriesMax) continue;
    if (!copied) return refuse(common, copied.error());
    print_object(checkpoint_json(*copied), common.json);
    return ExitCode::done;
  }
}

struct RestoreArguments {
  std::string backup, directory, book;
};

Result<journal::CheckpointInfo> restore(const RestoreArguments& arguments) {
  auto from = DirectoryStorage::observe(arguments.backup);
  if (!from) return from.error();
  auto to = DirectoryStorage::open(arguments.directory);
  if (!to) return to.error();
  return journal::restore(**from, **to, {.book = arguments.book});
}

ExitCode restore_backup(const RestoreArguments& arguments, const Common& common) {
  const auto restored = restore(arguments);
  if (!restored) return refuse(common, restored.error());
  print_object(checkpoint_json(*restored), common.json);
  return ExitCode::done;
}

void add_restore(Menu& menu) {
  auto arguments = std::make_shared<RestoreArguments>();
  CLI::App& command = menu.plain_command(
      menu.root(), kRestoreText,
      [arguments](const Common& common) { return restore_backup(*arguments, common); });
  command.add_option("BACKUP", arguments->backup, "Directory of the backup")
      ->required()
      ->type_name("");
  command.add_option("--dir", arguments->directory, "Directory of the journal to be made")
      ->required()
      ->type_name("DIR");
  command.add_option("--book", arguments->book, "Another name for the book")->type_name("NAME");
}

void add_timeout(CLI::App& command, BackupArguments& arguments) {
  add_duration(command, "--timeout", arguments.timeout, "How long to wait for the checkpoint")
      ->default_str("10m");
}

}  // namespace

void add_backup_commands(Menu& menu) {
  auto arguments = std::make_shared<BackupArguments>();
  CLI::App& checkpoint = menu.command(
      menu.root(), kCheckpointText,
      [arguments](const Common& common) { return take_checkpoint(*arguments, common); });
  add_book(checkpoint, arguments->book);
  add_timeout(checkpoint, *arguments);
  CLI::App& backup = menu.command(menu.root(), kBackupText, [arguments](const Common& common) {
    return take_backup(*arguments, common);
  });
  add_book(backup, arguments->book);
  backup.add_option("TARGET", arguments->target, "Directory for the backup")
      ->required()
      ->type_name("");
  add_timeout(backup, *arguments);
  add_restore(menu);
}

}  // namespace casbook::cli
