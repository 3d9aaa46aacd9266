#include "cli/payment_json.h"

#include <span>

#include "cli/time_text.h"

namespace casbook::cli {

namespace {

const char* side_name(Side side) { return side == Side::debit ? "debit" : "credit"; }

Json posting_json(const Posting& posting, Names& names) {
  const Names::Known& account = names.of(posting.account);
  return {{"account", account.id},
          {"side", side_name(posting.side)},
          {"amount", format_amount(posting.amount, account.scale)},
          {"ledger", account.ledger}};
}

Json postings_json(std::span<const Posting> postings, const Amount* available, Names& names) {
  Json list = Json::array();
  for (size_t i = 0; i < postings.size(); ++i) {
    list.push_back(posting_json(postings[i], names));
    if (available) list.back()["available"] = names.amount(postings[i].account, available[i]);
  }
  return list;
}

Json user_data_json(const std::array<uint64_t, 2>& user_data) {
  return Json::array({std::to_string(user_data[0]), std::to_string(user_data[1])});
}

}  // namespace

Json payment_json(const PaymentInfo& payment, Names& names) {
  Json object = {{"id", payment.id.value.text()},
                 {"outcome", payment.executed ? "executed" : code_name(payment.refusal)},
                 {"position", std::to_string(payment.position.value)},
                 {"time", format_time(payment.time_ms)},
                 {"record_held", payment.record_held}};
  if (!payment.record_held) return object;
  object["code"] = payment.code;
  object["user_data"] = user_data_json(payment.user_data);
  const std::span postings(payment.postings.data(), payment.posting_count);
  const Amount* available = payment.executed ? payment.available.data() : nullptr;
  object["postings"] = postings_json(postings, available, names);
  return object;
}

Json receipt_json(const Payment& payment, const Receipt& receipt, Level level, Names& names) {
  Json object = {{"id", payment.id().value.text()},
                 {"outcome", "executed"},
                 {"replayed", receipt.replayed},
                 {"position", std::to_string(receipt.position.value)},
                 {"time", format_time(receipt.time_ms)},
                 {"level", level == Level::durable  ? "durable"
                           : level == Level::quorum ? "quorum"
                                                    : "memory"}};
  const std::span postings(payment.postings().data(), payment.posting_count());
  const Amount* available = receipt.balances_known ? receipt.available.data() : nullptr;
  object["postings"] = postings_json(postings, available, names);
  return object;
}

std::string postings_text(const PaymentInfo& payment, Names& names) {
  std::string text;
  const auto& postings = payment.postings;
  const auto amount_text = [&](const Posting& posting) {
    return names.amount(posting.account, posting.amount) + " " + names.of(posting.account).ledger;
  };
  const bool is_transfer = payment.posting_count == 2 && postings[0].side == Side::debit;
  if (is_transfer)
    return names.of(postings[0].account).id + " -> " + names.of(postings[1].account).id + " " +
           amount_text(postings[0]);
  for (uint32_t i = 0; i < payment.posting_count; ++i) {
    text += text.empty() ? "" : ", ";
    text += side_name(postings[i].side);
    text += " " + names.of(postings[i].account).id + " " + amount_text(postings[i]);
  }
  return text;
}

}  // namespace casbook::cli
