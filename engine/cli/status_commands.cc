// status, sessions: what an operator asks first.
#include "base/duration.h"
#include "cli/answers.h"
#include "cli/arguments.h"
#include "cli/cluster_json.h"
#include "cli/time_text.h"

namespace casbook::cli {

namespace {

constexpr CommandText kStatusText{"status", "How full a book is, how far it got, who follows it",
                                  "Examples:\n"
                                  "  casbook status demo\n"
                                  "  casbook status demo --json"};

constexpr CommandText kSessionsText{
    "sessions", "Who is attached, and what each did",
    "A session that is not alive was left by a process that died; the next one that needs its\n"
    "place takes it over and completes what it left half done.\n"
    "\n"
    "Examples:\n"
    "  casbook sessions demo\n"
    "  casbook sessions demo --json"};

const char* policy_name(FullPolicy policy) {
  return policy == FullPolicy::refuse_payments ? "refuse_payments" : "drop_follower";
}

Json followers_json(const BookStatus& status) {
  Json list = Json::array();
  for (const FollowerStatus& follower : status.followers) {
    Json object = {{"name", follower.name},
                   {"lag", follower.lag},
                   {"policy", policy_name(follower.policy)},
                   {"alive", follower.alive}};
    list.push_back(std::move(object));
  }
  return list;
}

Json journal_json(const JournalStatus& journal) {
  if (!journal.journaled) return nullptr;
  return {{"state", journal.state},
          {"error", journal.error},
          {"id", journal.id},
          {"directory", journal.directory},
          {"durable", std::to_string(journal.durable.value)},
          {"lag", journal.lag},
          {"sync_p50_us", journal.sync_p50_us},
          {"sync_p99_us", journal.sync_p99_us},
          {"sync_max_us", journal.sync_max_us},
          {"segments", journal.segments},
          {"bytes", journal.journal_bytes},
          {"checkpoint", std::to_string(journal.checkpoint.value)},
          {"checkpoint_time",
           journal.checkpoint_ms ? Json(format_time(journal.checkpoint_ms)) : Json(nullptr)},
          {"checkpoint_bytes", journal.checkpoint_bytes},
          {"checkpoint_took_ms", journal.checkpoint_took.count()},
          {"checkpoint_failures", journal.checkpoint_failures}};
}

Json full_in_json(const BookStatus& status) {
  if (!status.payments_full_in) return nullptr;
  return base::format_duration(*status.payments_full_in);
}

Json status_json(const BookStatus& status) {
  return {{"book", status.name},
          {"path", status.path},
          {"bytes", status.bytes},
          {"open", status.open},
          {"quarantined", status.quarantined},
          {"term", std::to_string(status.term)},
          {"position", std::to_string(status.position.value)},
          {"accounts", status.accounts},
          {"accounts_max", status.accounts_max},
          {"ledgers", status.ledgers},
          {"ledgers_max", status.ledgers_max},
          {"window", base::format_duration(status.window)},
          {"payments_max", status.payments_max},
          {"payment_entries", status.payment_entries},
          {"payment_entries_max", status.payment_entries_max},
          {"payments_per_second_sustained", status.payments_per_second_sustained},
          {"payments_full_in", full_in_json(status)},
          {"leases_held", status.leases_held},
          {"leases_max", status.leases_max},
          {"sessions", status.sessions.size()},
          {"sessions_max", status.sessions_max},
          {"records_held", status.records_held},
          {"records_max", status.records_max},
          {"payment_p50_ns", status.payment_p50.count()},
          {"payment_p99_ns", status.payment_p99.count()},
          {"payment_max_ns", status.payment_max.count()},
          {"payments_sampled", status.payments_sampled},
          {"takeovers", status.takeovers},
          {"followers", followers_json(status)},
          {"journal", journal_json(status.journal)},
          {"cluster", cluster_json(status.cluster)}};
}

std::string of_at_most(uint64_t count, uint64_t max) {
  return std::to_string(count) + " of " + std::to_string(max);
}

std::string payments_text(const BookStatus& status) {
  char rate[64];
  std::snprintf(rate, sizeof rate, "%.3g", status.payments_per_second_sustained);
  return std::to_string(status.payments_max) + " in " + base::format_duration(status.window) +
         ", " + rate + " per second";
}

// In units that leave one to three digits before the point.
std::string nanoseconds_text(std::chrono::nanoseconds time) {
  char text[32];
  const auto ns = static_cast<double>(time.count());
  const bool is_us = ns >= 1e3, is_ms = ns >= 1e6;
  std::snprintf(text, sizeof text, "%.3g %s", is_ms ? ns / 1e6 : is_us ? ns / 1e3 : ns,
                is_ms ? "ms" : is_us ? "us" : "ns");
  return text;
}

std::string payment_time_text(const BookStatus& status) {
  if (status.payments_sampled == 0) return "none sampled yet";
  return "p50 " + nanoseconds_text(status.payment_p50) + ", p99 " +
         nanoseconds_text(status.payment_p99) + ", max " + nanoseconds_text(status.payment_max) +
         ", of " + std::to_string(status.payments_sampled) + " sampled";
}

std::string position_text(Position position) {
  return std::to_string(position.value) + " (term " + std::to_string(position.term()) + ", lsn " +
         std::to_string(position.lsn()) + ")";
}

std::string checkpoint_text(const JournalStatus& journal) {
  if (journal.checkpoint_ms == 0) return "none yet";
  return position_text(journal.checkpoint) + ", " + format_time(journal.checkpoint_ms) + ", " +
         std::to_string(journal.checkpoint_bytes >> 20) + " MiB in " +
         base::format_duration(journal.checkpoint_took);
}

void add_journal_for_people(const JournalStatus& journal, Json& object) {
  if (!journal.journaled) {
    object["journal"] = "none: nothing is durable (casbook serve)";
    return;
  }
  object["journal"] = journal.state + (journal.error.empty() ? "" : ": " + journal.error) + ", " +
                      journal.directory;
  object["durable"] =
      position_text(journal.durable) + ", " + std::to_string(journal.lag) + " records behind";
  object["sync"] = "p50 " + std::to_string(journal.sync_p50_us) + " us, p99 " +
                   std::to_string(journal.sync_p99_us) + " us, max " +
                   std::to_string(journal.sync_max_us) + " us";
  object["segments"] = std::to_string(journal.segments) + ", " +
                       std::to_string(journal.journal_bytes >> 20) + " MiB";
  object["checkpoint"] = checkpoint_text(journal);
}

// Each filling beside its limit.
Json status_for_people(const BookStatus& status) {
  Json object = {
      {"book", status.name},
      {"path", status.path + ", " + std::to_string(status.bytes >> 20) + " MiB"},
      {"open", status.quarantined ? Json("no: quarantined") : Json(status.open)},
      {"position", position_text(status.position)},
      {"accounts", of_at_most(status.accounts, status.accounts_max)},
      {"ledgers", of_at_most(status.ledgers, status.ledgers_max)},
      {"payments", payments_text(status)},
      {"payment_entries", of_at_most(status.payment_entries, status.payment_entries_max)},
      {"payments_full_in", full_in_json(status)},
      {"leases", of_at_most(status.leases_held, status.leases_max)},
      {"sessions", of_at_most(status.sessions.size(), status.sessions_max)},
      {"records", of_at_most(status.records_held, status.records_max)},
      {"payment_time", payment_time_text(status)},
      {"takeovers", status.takeovers},
      {"followers", followers_json(status)}};
  add_journal_for_people(status.journal, object);
  if (status.cluster.clustered) add_cluster_for_people(status.cluster, object);
  return object;
}

ExitCode show_status(const std::string& name, const Common& common) {
  auto book = Book::observe(name, common.directory);
  if (!book) return refuse(common, book.error());
  const BookStatus status = book->status();
  print_object(common.json ? status_json(status) : status_for_people(status), common.json);
  return ExitCode::done;
}

Json session_json(const SessionStatus& session) {
  return {{"session", session.index},
          {"attachment", session.attachment},
          {"pid", session.pid},
          {"alive", session.alive},
          {"commits", session.commits},
          {"refusals", session.refusals},
          {"conflicts", session.conflicts},
          {"helps", session.helps}};
}

ExitCode list_sessions(const std::string& name, const Common& common) {
  auto book = Book::observe(name, common.directory);
  if (!book) return refuse(common, book.error());
  Table table({{"session", Align::right},
               {"attachment", Align::right},
               {"pid", Align::right},
               {"alive"},
               {"commits", Align::right},
               {"refusals", Align::right},
               {"conflicts", Align::right},
               {"helps", Align::right}},
              common.json);
  for (const SessionStatus& session : book->status().sessions)
    if (!table.add(session_json(session))) break;
  table.finish();
  return ExitCode::done;
}

template <class Run>
void add_on_book(Menu& menu, const CommandText& text, Run run) {
  auto book = std::make_shared<std::string>();
  CLI::App& command = menu.command(
      menu.root(), text, [book, run](const Common& common) { return run(*book, common); });
  add_book(command, *book);
}

}  // namespace

void add_status_commands(Menu& menu) {
  add_on_book(menu, kStatusText, show_status);
  add_on_book(menu, kSessionsText, list_sessions);
}

}  // namespace casbook::cli
