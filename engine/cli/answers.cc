#include "cli/answers.h"

#include "cli/time_text.h"

namespace casbook::cli {

namespace {

// Its position is that of a commit that it tells of, not just up to where the book was looked at.
bool is_of_one_commit(const Error& error) {
  return error.position != 0 && (error.is_recorded() || error.code == Code::payment_conflict ||
                                 error.code == Code::outcome_unknown);
}

}  // namespace

std::string message_of(const Error& error) {
  const bool is_named = error.code == Code::bad_argument && !error.detail.empty();
  return is_named ? error.detail : error.message();
}

void add_refusal(Json& object, const Error& error) {
  object["outcome"] = code_name(error.code);
  object["final"] = error.is_final();
  object["detail"] = error.detail.empty() ? code_text(error.code) : error.detail;
  if (error.position == 0) return;
  object["recorded"] = error.is_recorded();
  object["replayed"] = error.replayed;
  object["position"] = std::to_string(error.position);
  if (error.time_ms != 0) object["time"] = format_time(error.time_ms);
}

ExitCode refuse(const Common& common, const Error& error, Json subject) {
  std::string message = message_of(error);
  if (is_of_one_commit(error)) message += ", at position " + std::to_string(error.position);
  if (error.replayed) message += ", answered again";
  print_error(message);
  if (common.json) {
    add_refusal(subject, error);
    print(json_line(subject));
  }
  return exit_code_of(error.code);
}

ExitCode refuse_usage(const Common& common, std::string detail) {
  return refuse(common, Error{.code = Code::bad_argument, .detail = std::move(detail)});
}

Result<Writer> open_writer(const std::string& name, const Common& common) {
  auto book = Book::attach(name, common.directory);
  if (!book) return book.error();
  auto session = book->open_session();
  if (!session) return session.error();
  return Writer{std::move(*book), std::move(*session)};
}

}  // namespace casbook::cli
