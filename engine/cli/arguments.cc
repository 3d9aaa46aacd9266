#include "cli/arguments.h"

#include <charconv>
#include <optional>

#include "base/duration.h"
#include "base/quote.h"

namespace casbook::cli {

namespace {

std::optional<uint64_t> parse_whole_number(const std::string& text) {
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, number);
  if (text.empty() || failure != std::errc() || rest != end) return std::nullopt;
  return number;
}

std::string expected(const char* what, const std::string& text) {
  return std::string("expected ") + what + ", got " + base::quoted(text);
}

std::string check_id(const std::string& text) {
  auto parsed = ExternalId::parse(text);
  return parsed ? "" : parsed.error().detail;
}

std::string check_whole_number(const std::string& text) {
  return parse_whole_number(text) ? "" : expected("a whole number below 2^64", text);
}

std::string check_duration(const std::string& text) {
  return base::parse_duration(text)
             ? ""
             : expected("a whole number with ms, s, m, h or d, like 90m", text);
}

// Scale 18 accepts every form of amount; the ledger's own scale is compared later.
std::string check_amount(const std::string& text) {
  const bool is_number = !text.empty() && text.find_first_not_of("-.0123456789") == text.npos;
  return is_number ? "" : expected("a decimal number, like 12.50", text);
}

}  // namespace

void add_book(CLI::App& command, std::string& book) {
  command.add_option("BOOK", book, "Name of the book")->required()->type_name("");
}

CLI::Option* add_id(CLI::App& command, const std::string& name, std::string& id,
                    const std::string& purpose) {
  return command.add_option(name, id, purpose)->type_name("ID")->check(check_id, "", "");
}

CLI::Option* add_whole_number(CLI::App& command, const std::string& name, uint64_t& number,
                              const std::string& purpose) {
  const auto store = [&number](const std::string& text) { number = *parse_whole_number(text); };
  return command.add_option_function<std::string>(name, store, purpose)
      ->type_name("N")
      ->check(check_whole_number, "", "");
}

CLI::Option* add_position(CLI::App& command, const std::string& name, Position& position,
                          const std::string& purpose) {
  return add_whole_number(command, name, position.value, purpose)->type_name("POSITION");
}

CLI::Option* add_duration(CLI::App& command, const std::string& name,
                          std::chrono::milliseconds& duration, const std::string& purpose) {
  const auto store = [&duration](const std::string& text) {
    duration = *base::parse_duration(text);
  };
  return command.add_option_function<std::string>(name, store, purpose)
      ->type_name("TIME")
      ->check(check_duration, "", "");
}

CLI::Option* add_amount(CLI::App& command, const std::string& name, std::string& amount,
                        const std::string& purpose) {
  return command.add_option(name, amount, purpose)
      ->type_name("AMOUNT")
      ->check(check_amount, "", "");
}

AccountId account_id(const std::string& text) { return {*ExternalId::parse(text)}; }
PaymentId payment_id(const std::string& text) { return {*ExternalId::parse(text)}; }

}  // namespace casbook::cli
