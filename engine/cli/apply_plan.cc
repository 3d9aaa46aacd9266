#include "cli/apply_plan.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/hash.h"
#include "base/quote.h"
#include "cli/csv.h"

namespace casbook::cli {

namespace {

struct KnownColumn {
  std::string_view name;
  std::string_view OrderText::*part;
  bool is_required;
};

constexpr KnownColumn kColumns[] = {{"payment_id", &OrderText::payment_id, true},
                                    {"debit_account", &OrderText::debit_account, true},
                                    {"credit_account", &OrderText::credit_account, true},
                                    {"amount", &OrderText::amount, true},
                                    {"ledger", &OrderText::ledger, true},
                                    {"code", &OrderText::code, false},
                                    {"time", &OrderText::time, false}};

Error bad_file(std::string detail) {
  return {.code = Code::bad_argument, .detail = std::move(detail)};
}

std::string names_of_columns() {
  std::string names;
  for (const KnownColumn& column : kColumns)
    names += (names.empty() ? "" : ", ") + std::string(column.name);
  return names;
}

// Which column stands where.
using Header = std::vector<const KnownColumn*>;

Result<Header> parse_header(const CsvRecord& record) {
  Header header;
  for (const std::string_view name : record.fields) {
    const auto* found =
        std::find_if(std::begin(kColumns), std::end(kColumns),
                     [&](const KnownColumn& column) { return column.name == name; });
    if (found == std::end(kColumns))
      return bad_file("header: column " + base::quoted(name) + " is unknown; expected " +
                      names_of_columns());
    if (std::find(header.begin(), header.end(), found) != header.end())
      return bad_file("header: column " + base::quoted(name) + " occurs twice");
    header.push_back(found);
  }
  for (const KnownColumn& column : kColumns)
    if (column.is_required && std::find(header.begin(), header.end(), &column) == header.end())
      return bad_file("header: column " + base::quoted(column.name) + " is missing");
  return header;
}

uint64_t hash_of(const ExternalId& id) {
  return base::hash_bytes(id.words().data(), sizeof(id.words()), static_cast<uint64_t>(id.kind()));
}

struct HashOfId {
  size_t operator()(const ExternalId& id) const { return hash_of(id); }
};

class Planner {
 public:
  Planner(Header header, std::vector<LedgerInfo> ledgers, uint32_t workers)
      : header_(std::move(header)) {
    plan_.ledgers = std::move(ledgers);
    plan_.shares.resize(workers);
  }

  void take(const CsvRecord& record) {
    OrderText text;
    const size_t fields = std::min(record.fields.size(), header_.size());
    for (size_t i = 0; i < fields; ++i) text.*header_[i]->part = record.fields[i];
    if (record.problem) return reject(record, text, bad_file(record.problem));
    if (record.fields.size() != header_.size())
      return reject(record, text,
                    bad_file("expected " + std::to_string(header_.size()) + " fields, got " +
                             std::to_string(record.fields.size())));
    const auto ledger = find_ledger(text.ledger);
    if (ledger == plan_.ledgers.end())
      return reject(
          record, text,
          {.code = Code::ledger_missing, .detail = "ledger " + base::quoted(text.ledger)});
    auto order = parse_order(text, *ledger);
    if (!order) return reject(record, text, order.error());
    deal(record.line, *order, static_cast<uint32_t>(ledger - plan_.ledgers.begin()));
  }

  Plan finish() { return std::move(plan_); }

 private:
  std::vector<LedgerInfo>::const_iterator find_ledger(std::string_view name) const {
    return std::find_if(plan_.ledgers.begin(), plan_.ledgers.end(),
                        [&](const LedgerInfo& ledger) { return ledger.name == name; });
  }
  void reject(const CsvRecord& record, const OrderText& text, Error error) {
    plan_.rejects.push_back({record.line, std::string(text.payment_id), std::move(error)});
  }
  uint32_t place_of(const AccountId& id, uint32_t ledger) {
    const auto next = static_cast<uint32_t>(plan_.accounts.size());
    const auto [place, is_new] = places_.try_emplace(id.value, next);
    if (is_new) plan_.accounts.push_back({id, ledger});
    return place->second;
  }
  void deal(uint64_t line, const Order& order, uint32_t ledger) {
    const uint32_t debit = place_of(order.debit, ledger);
    const uint32_t credit = place_of(order.credit, ledger);
    auto& share = plan_.shares[base::reduce(hash_of(order.debit.value), plan_.shares.size())];
    share.push_back(static_cast<uint32_t>(plan_.orders.size()));
    plan_.orders.push_back({line, order, ledger, debit, credit});
  }

  Header header_;
  Plan plan_;
  std::unordered_map<ExternalId, uint32_t, HashOfId> places_;
};

}  // namespace

Result<Plan> make_plan(std::string_view text, std::vector<LedgerInfo> ledgers, uint32_t workers) {
  CsvReader reader(text);
  CsvRecord record;
  if (!reader.next(record)) return bad_file("header: expected columns " + names_of_columns());
  auto header = parse_header(record);
  if (!header) return header.error();
  Planner planner(std::move(*header), std::move(ledgers), workers);
  while (reader.next(record)) {
    if (reader.is_cut_short())
      return bad_file("line " + std::to_string(record.line) + ": " + record.problem);
    planner.take(record);
  }
  return planner.finish();
}

}  // namespace casbook::cli
