#include "cli/order.h"

#include <charconv>

#include "base/quote.h"
#include "cli/time_text.h"

namespace casbook::cli {

namespace {

Error wrong(const char* part, std::string_view why) {
  return {.code = Code::bad_argument, .detail = std::string(part) + ": " + std::string(why)};
}

Result<ExternalId> parse_id(const char* part, std::string_view text) {
  auto id = ExternalId::parse(text);
  if (!id) return wrong(part, id.error().detail);
  return id;
}

Result<uint32_t> parse_code(std::string_view text) {
  uint32_t code = 0;
  if (text.empty()) return code;
  const char* const end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, code);
  if (failure == std::errc() && rest == end) return code;
  return wrong("code", "expected a whole number below 2^32, got " + base::quoted(text));
}

Result<int64_t> parse_order_time(std::string_view text) {
  if (text.empty()) return 0;
  if (const auto time_ms = parse_time(text)) return *time_ms;
  return wrong("time", "expected a date, or a date and time, like 2026-03-01T12:30:00Z, got " +
                           base::quoted(text));
}

}  // namespace

Result<Order> parse_order(const OrderText& text, const LedgerInfo& ledger) {
  auto id = parse_id("payment id", text.payment_id);
  if (!id) return id.error();
  auto debit = parse_id("debit account", text.debit_account);
  if (!debit) return debit.error();
  auto credit = parse_id("credit account", text.credit_account);
  if (!credit) return credit.error();
  if (*debit == *credit)
    return wrong("credit account", "expected another account than the one debited");
  auto amount = parse_amount(text.amount, ledger.scale);
  if (!amount) return amount.error();  // says "amount" already
  auto code = parse_code(text.code);
  if (!code) return code.error();
  auto time_ms = parse_order_time(text.time);
  if (!time_ms) return time_ms.error();
  return Order{{*id}, {*debit}, {*credit}, *amount, *code, *time_ms};
}

Account handle_of(const Result<Account>& found, const LedgerInfo& ledger) {
  return {found ? found->index : Account{}.index, ledger.index};
}

Payment payment_of(const Order& order, Account debit, Account credit) {
  Payment payment(order.id);
  payment.debit(debit, order.amount).credit(credit, order.amount).code(order.code);
  payment.user_data(static_cast<uint64_t>(order.time_ms));
  return payment;
}

}  // namespace casbook::cli
