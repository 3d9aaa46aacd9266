// journal verify, journal dump, journal cut-tail: a journal on disk, without its book.
#include <filesystem>

#include "cli/answers.h"
#include "cli/arguments.h"
#include "cli/time_text.h"
#include "daemon/lock_file.h"
#include "journal/checkpoint.h"
#include "journal/directory_storage.h"
#include "journal/segment_records.h"
#include "journal/state_file.h"
#include "journal/tail_cut.h"
#include "log/record.h"

namespace casbook::cli {

namespace {

using journal::DirectoryStorage;
using journal::Storage;

constexpr CommandText kVerifyText{
    "verify", "Read a journal and its checkpoints whole, and check all of it",
    "A torn tail, which a crash leaves, is no damage; anything else ends with 3 and its exact\n"
    "place. May run while the book is served; what is written meanwhile may look like a tail.\n"
    "\n"
    "Example:\n"
    "  casbook journal verify /var/lib/casbook/demo"};

constexpr CommandText kDumpText{"dump", "The entries and records of a journal",
                                "Examples:\n"
                                "  casbook journal dump /var/lib/casbook/demo\n"
                                "  casbook journal dump /var/lib/casbook/demo --from 1000 --json"};

constexpr CommandText kCutText{
    "cut-tail", "Cut a damaged journal off behind its last good entry",
    "Says what would be lost, and does nothing, unless --yes is given: then it zeroes the segment\n"
    "from the damaged place on and renames later ones to NAME.cut. What is lost may have been\n"
    "answered as durable. Copy the directory first. Refused while a daemon holds the journal.\n"
    "\n"
    "Examples:\n"
    "  casbook journal cut-tail /var/lib/casbook/demo\n"
    "  casbook journal cut-tail /var/lib/casbook/demo --yes"};

struct JournalArguments {
  std::string directory;
  uint64_t from = 0;
  bool is_sure = false;
};

std::string position_text(Position position) { return std::to_string(position.value); }

// 0 where there is no state file: then the first segment says whose journal it is.
Result<uint64_t> identity_of(const Storage& storage) {
  auto state = journal::read_state(storage);
  if (state) return state->journal_id;
  if (state.error().code == Code::book_missing) return uint64_t{0};
  return state.error();
}

struct Walked {
  uint64_t segments = 0, entries = 0, records = 0;
  journal::JournalEnd end;
  bool was_torn = false;
};

// `show` returns false when nobody reads any more.
Result<Walked> walk(const Storage& storage, uint64_t from_lsn,
                    const std::function<bool(const journal::Entry&)>& show) {
  auto id = identity_of(storage);
  if (!id) return id.error();
  auto segments = journal::list_segments(storage, *id, from_lsn);
  if (!segments) return segments.error();
  Walked walked{.segments = segments->size()};
  journal::EntryReader reader(storage, std::move(*segments));
  for (;;) {
    auto entry = reader.next();
    if (!entry) return entry.error();
    if (!*entry) break;
    ++walked.entries;
    walked.records += (*entry)->header.count;
    if (!show(**entry)) break;
  }
  walked.end = reader.end(), walked.was_torn = reader.was_torn();
  return walked;
}

Result<uint64_t> verify_checkpoints(const Storage& storage) {
  auto names = journal::list_checkpoints(storage);
  if (!names) return names.error();
  for (const std::string& name : *names)
    if (auto verified = journal::verify_checkpoint(storage, name); !verified)
      return verified.error();
  return uint64_t{names->size()};
}

ExitCode verify(const JournalArguments& arguments, const Common& common) {
  auto storage = DirectoryStorage::observe(arguments.directory);
  if (!storage) return refuse(common, storage.error());
  uint64_t bad_entries = 0;
  const auto walked = walk(**storage, 0, [&](const journal::Entry& entry) {
    bad_entries += !journal::for_each_record(entry, [](std::span<const uint64_t>) {});
    return true;
  });
  if (!walked) return refuse(common, walked.error());
  if (bad_entries != 0)
    return refuse(common, Error{.code = Code::damaged,
                                .detail = std::to_string(bad_entries) +
                                          " entries do not hold the records that they name"});
  const auto checkpoints = verify_checkpoints(**storage);
  if (!checkpoints) return refuse(common, checkpoints.error());
  print_object({{"ok", true},
                {"segments", walked->segments},
                {"entries", walked->entries},
                {"records", walked->records},
                {"position", position_text(walked->end.position())},
                {"torn_tail", walked->was_torn},
                {"checkpoints", *checkpoints}},
               common.json);
  return ExitCode::done;
}

Json record_json(const log::Record& record) {
  Json changes = Json::array();
  for (uint32_t i = 0; i < record.change_count; ++i) {
    const log::Change& change = record.changes[i];
    if (change.writes())
      changes.push_back({{"cell", change.unit()},
                         {"word", change.word()},
                         {"old", std::to_string(change.old_value)},
                         {"new", std::to_string(change.new_value)}});
  }
  return {{"position", position_text(record.position)},
          {"time", format_time(record.time_ms)},
          {"kind", record_kind_name(static_cast<RecordKind>(record.kind))},
          {"changes", std::move(changes)}};
}

bool print_dumped(const Json& object, bool as_json) {
  return print(as_json ? json_line(object) : plain_text(object) + "\n");
}

// The entry as it is, then its records from that LSN on.
bool dump_entry(const journal::Entry& entry, uint64_t from_lsn, bool as_json) {
  const journal::EntryHeader& header = entry.header;
  if (header.first_lsn + header.count <= from_lsn) return true;
  bool is_open = print_dumped({{"entry", header.index},
                               {"segment", entry.segment},
                               {"offset", entry.offset},
                               {"bytes", header.bytes},
                               {"term", header.term},
                               {"first_lsn", header.first_lsn},
                               {"records", header.count},
                               {"synced_index", header.synced_index}},
                              as_json);
  journal::for_each_record(entry, [&](std::span<const uint64_t> words) {
    log::Record record;
    if (!is_open || !log::decode(words.data(), static_cast<uint32_t>(words.size()), record)) return;
    if (record.position.lsn() >= from_lsn) is_open = print_dumped(record_json(record), as_json);
  });
  return is_open;
}

ExitCode dump(const JournalArguments& arguments, const Common& common) {
  auto storage = DirectoryStorage::observe(arguments.directory);
  if (!storage) return refuse(common, storage.error());
  const auto walked = walk(**storage, arguments.from, [&](const journal::Entry& entry) {
    return dump_entry(entry, arguments.from, common.json);
  });
  return walked ? ExitCode::done : refuse(common, walked.error());
}

Json cut_json(const journal::TailCut& cut, bool is_cut) {
  if (cut.damage.empty()) return {{"damaged", false}, {"cut", false}};
  return {{"damaged", true},
          {"damage", cut.damage},
          {"last_good_entry", cut.last_index},
          {"last_good_position", position_text(cut.last_good)},
          {"segment", cut.segment},
          {"offset", cut.offset},
          {"later_segments", cut.later},
          {"bytes_lost", cut.bytes_lost},
          {"checkpoint", std::to_string(cut.checkpoint.value)},
          {"cut", is_cut}};
}

ExitCode cut_tail(const JournalArguments& arguments, const Common& common) {
  // Before the lock: a directory that is none gets no file of ours.
  auto observed = DirectoryStorage::observe(arguments.directory);
  if (!observed) return refuse(common, observed.error());
  auto lock = daemon::LockFile::hold(arguments.directory);
  if (!lock) return refuse(common, lock.error());
  auto id = identity_of(**observed);
  if (!id) return refuse(common, id.error());
  const auto cut = journal::find_tail_cut(**observed, *id);
  if (!cut) return refuse(common, cut.error());
  const bool is_to_cut = arguments.is_sure && !cut->damage.empty();
  if (is_to_cut) {
    auto storage = DirectoryStorage::open(arguments.directory);
    if (!storage) return refuse(common, storage.error());
    if (auto done = journal::cut_tail(**storage, *cut); !done) return refuse(common, done.error());
  }
  print_object(cut_json(*cut, is_to_cut), common.json);
  if (!cut->damage.empty() && !is_to_cut) print_error("nothing was changed: see --yes");
  return ExitCode::done;
}

template <class Run>
CLI::App& add(Menu& menu, CLI::App& group, const CommandText& text,
              const std::shared_ptr<JournalArguments>& arguments, Run run) {
  CLI::App& command = menu.plain_command(
      group, text, [arguments, run](const Common& common) { return run(*arguments, common); });
  command.add_option("DIR", arguments->directory, "Directory of the journal")
      ->required()
      ->type_name("");
  return command;
}

}  // namespace

void add_journal_commands(Menu& menu) {
  auto arguments = std::make_shared<JournalArguments>();
  CLI::App& group = menu.group("journal", "A journal on disk: verify, dump, cut-tail");
  add(menu, group, kVerifyText, arguments, verify);
  CLI::App& dumping = add(menu, group, kDumpText, arguments, dump);
  add_whole_number(dumping, "--from", arguments->from, "The first LSN to show");
  CLI::App& cutting = add(menu, group, kCutText, arguments, cut_tail);
  cutting.add_flag("--yes", arguments->is_sure, "Really cut");
}

}  // namespace casbook::cli
