#include "book/payment_record.h"

#include "base/assert.h"
#include "base/hash.h"

namespace casbook::book {

namespace {

uint64_t posting_word(const Posting& posting) {
  return uint64_t{posting.account.index} << 1 | static_cast<uint64_t>(posting.side);
}

// What is available in the account after the record, where the record changes or judges it.
bool available_after(const Tables& tables, const log::Record& record, uint32_t account,
                     Amount& available) {
  for (uint32_t i = 0; i < record.change_count; ++i) {
    const log::Change& change = record.changes[i];
    if (change.unit() != tables.account(account) || !change.writes() ||
        change.word() != kAvailable)
      continue;
    available = static_cast<Amount>(change.new_value);
    return true;
  }
  return false;
}

}  // namespace

void PaymentContent::take(const Payment& payment) {
  count_ = 2 + 2 * payment.posting_count();
  words_[0] = payment.user_data()[0];
  words_[1] = payment.user_data()[1];
  for (uint32_t i = 0; i < payment.posting_count(); ++i) {
    const Posting& posting = payment.postings()[i];
    words_[2 + 2 * i] = posting_word(posting);
    words_[3 + 2 * i] = static_cast<uint64_t>(posting.amount);
  }
  hash_ = base::hash_bytes(words_, count_ * sizeof(uint64_t), payment.code());
}

void note_payment(commit::WriteSet& set, const Payment& payment, const PaymentContent& content,
                  uint8_t answer) {
  const ExternalId& id = payment.id().value;
  const uint64_t head = static_cast<uint64_t>(id.kind()) | uint64_t{id.size()} << 8 |
                        uint64_t{payment.posting_count()} << 16 | uint64_t{answer} << 24 |
                        uint64_t{payment.code()} << 32;
  set.note({&head, 1});
  set.note({id.words().data(), id.size() > 16 ? 5u : 2u});
  set.note(content.words());
}

bool read_payment_record(const Tables& tables, const log::Record& record, PaymentInfo& info) {
  const bool is_payment =
      record.kind == commit::Kind::payment || record.kind == commit::Kind::refusal;
  if (!is_payment || record.note_count < 5) return false;
  const uint64_t head = record.notes[0];
  const auto size = static_cast<uint8_t>(head >> 8);
  const uint32_t id_words = size > 16 ? 5 : 2;
  info.posting_count = (head >> 16) & 0xff;
  if (info.posting_count > kPostingsMax ||
      record.note_count != 1 + id_words + 2 + 2 * info.posting_count)
    return false;
  std::array<uint64_t, 5> words{};
  uint32_t n = 1;
  for (uint32_t i = 0; i < id_words; ++i) words[i] = record.notes[n++];
  info.id = {ExternalId::of_words(static_cast<ExternalId::Kind>(head & 0xff), size, words)};
  info.executed = record.kind == commit::Kind::payment;
  info.refusal = static_cast<Code>((head >> 24) & 0xff);
  info.position = record.position;
  info.time_ms = record.time_ms;
  info.record_held = true;
  info.code = static_cast<uint32_t>(head >> 32);
  info.user_data = {record.notes[n], record.notes[n + 1]};
  n += 2;
  for (uint32_t i = 0; i < info.posting_count; ++i, n += 2) {
    Posting& posting = info.postings[i];
    posting.account.index = static_cast<uint32_t>(record.notes[n] >> 1);
    posting.side = static_cast<Side>(record.notes[n] & 1);
    posting.amount = static_cast<Amount>(record.notes[n + 1]);
    if (posting.account.index >= tables.account_count()) return false;
    available_after(tables, record, posting.account.index, info.available[i]);
  }
  return true;
}

std::string first_difference(const Payment& payment, const PaymentInfo& recorded) {
  if (payment.posting_count() != recorded.posting_count) return "number of postings";
  for (uint32_t i = 0; i < recorded.posting_count; ++i) {
    const Posting& a = payment.postings()[i];
    const Posting& b = recorded.postings[i];
    const std::string which = "posting " + std::to_string(i + 1) + ": ";
    if (a.account.index != b.account.index) return which + "account";
    if (a.side != b.side) return which + "side";
    if (a.amount != b.amount) return which + "amount";
  }
  if (payment.code() != recorded.code) return "code";
  return "user data";
}

}  // namespace casbook::book
