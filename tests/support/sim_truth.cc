#include "support/sim_truth.h"

#include "base/hash.h"
#include "book/payment_record.h"
#include "lease/layout.h"

namespace casbook::test {

using commit::Kind;
using replicate::LogEntry;

namespace {

std::string text(Position position) {
  return "term " + std::to_string(position.term()) + " lsn " + std::to_string(position.lsn());
}

uint64_t hash_of(const LogEntry& entry) {
  return base::hash_bytes(entry.body.data(), entry.body.size(),
                          entry.term << 20 ^ static_cast<uint64_t>(entry.type) << 8 ^ entry.count);
}

}  // namespace

void SimTruth::fail(const std::string& what) {
  if (!violation_.empty()) return;
  violation_ = what;
  events_.say({'!', 0}, [&] { return "VIOLATION: " + what; });
}

void SimTruth::know_tables(const commit::Store& store) {
  if (tables_) return;
  tables_.emplace(store);
  lease_cells_ = store.mapping().cells(arena::CellTable::leases);
}

// --- nodes ---

void SimTruth::on_role(uint64_t node, uint64_t term, replicate::Role role) {
  if (role != replicate::Role::leader) return;
  const auto [it, is_new] = leaders_.try_emplace(term, node);
  if (it->second != node)
    fail("nodes " + std::to_string(it->second) + " and " + std::to_string(node) +
         " both lead in term " + std::to_string(term));
}

void SimTruth::on_opened(uint64_t node, uint64_t term) {
  const auto [it, is_new] = openers_.try_emplace(term, node);
  if (it->second != node)
    fail("nodes " + std::to_string(it->second) + " and " + std::to_string(node) +
         " both opened their books in term " + std::to_string(term));
}

void SimTruth::on_committed(uint64_t node, const LogEntry& entry) {
  const uint64_t hash = hash_of(entry);
  if (entry.index <= entries_.size()) {
    if (entries_[entry.index - 1].hash != hash)
      fail("node " + std::to_string(node) + " committed another entry " +
           std::to_string(entry.index) + " than was committed before, of term " +
           std::to_string(entry.term));
    return;
  }
  if (entry.index != entries_.size() + 1)
    return fail("node " + std::to_string(node) + " committed entry " + std::to_string(entry.index) +
                " behind " + std::to_string(entries_.size()));
  entries_.push_back({{}, hash});
  if (entry.type == journal::EntryType::records) take_records(entry);
}

void SimTruth::on_restarted() {
  for (auto& [lsn, told] : quorum_told_) {
    if (told.is_excused || has(told.position)) continue;
    uint64_t count = 0;
    for (const uint64_t node : told.voters) count += holds_(node, told.index, told.term);
    told.is_excused = count <= told.voters.size() / 2;
  }
}

// --- the history ---

void SimTruth::take_records(const LogEntry& entry) {
  std::span<const uint64_t> rest(reinterpret_cast<const uint64_t*>(entry.body.data()),
                                 entry.body.size() / 8);
  for (uint32_t i = 0; i < entry.count; ++i) {
    const uint32_t count = rest.size() >= log::kRecordHeadWords ? log::encoded_words(rest[1]) : 0;
    if (count == 0 || count > rest.size() || !log::is_record(rest.first(count)))
      return fail("entry " + std::to_string(entry.index) + " holds what is no record");
    take_record(rest.first(count));
    rest = rest.subspan(count);
  }
  if (!rest.empty()) fail("entry " + std::to_string(entry.index) + " holds more than its records");
}

void SimTruth::take_record(std::span<const uint64_t> words) {
  log::Record record;
  log::unpack(words, record);
  if (record.position.lsn() != records_.size() + 1)
    return fail("the record at " + text(record.position) + " follows " + text(end()));
  if (record.position < end())
    return fail("the term falls from " + text(end()) + " to " + text(record.position));
  records_.push_back({record.position, base::hash_bytes(words.data(), words.size_bytes())});
  check_against_told(record.position);
  int64_t sum = 0;
  for (uint32_t i = 0; i < record.change_count; ++i)
    if (record.changes[i].writes()) take_change(record, record.changes[i], sum);
  if (sum != 0) fail("money is made or lost at " + text(record.position));
  if (record.kind == Kind::payment || record.kind == Kind::refusal) take_payment(record);
}

void SimTruth::take_change(const log::Record& record, const log::Change& change, int64_t& sum) {
  Word& word = words_[key(change.unit(), change.word())];
  if (word.value != change.old_value)
    fail("the record at " + text(record.position) + " found another value in cell " +
         std::to_string(change.unit()) + " word " + std::to_string(change.word()) +
         " than the one before left");
  const bool is_lease = change.unit() >= lease_cells_.first_unit &&
                        change.unit() < lease_cells_.first_unit + lease_cells_.count * 8;
  if (is_lease && change.word() == lease::kHolder && record.position.value <= word.version)
    fail("the token of " + text(record.position) + " is not above the one before");
  word = {change.new_value, record.position.value};
  if (tables_ && tables_->account_of(change.unit()) != UINT64_MAX && change.word() <= book::kHeld)
    sum += static_cast<int64_t>(change.new_value - change.old_value);
}

void SimTruth::take_payment(const log::Record& record) {
  PaymentInfo info;
  if (!tables_ || !book::read_payment_record(*tables_, record, info))
    return fail("the payment at " + text(record.position) + " cannot be read");
  const uint64_t id = info.id.value.words()[0];
  const auto [it, is_new] =
      payments_.try_emplace(id, Paid{record.position, record.kind == Kind::payment});
  if (!is_new)
    return fail("payment " + std::to_string(id) + " is at " + text(it->second.position) +
                " and at " + text(record.position));
  const auto guard = guards_.find(id);
  if (guard == guards_.end() || record.kind != Kind::payment) return;
  if (words_[key(guard->second.place, lease::kHolder)].version != guard->second.token.value)
    fail("payment " + std::to_string(id) + " was made under a lease that another held");
}

// --- what was told ---

void SimTruth::check_against_told(Position position) {
  if (undone_told_.contains(position))
    fail("somebody was told that " + text(position) + " is undone, and it is there");
  const auto quorum = quorum_told_.find(position.lsn());
  if (quorum != quorum_told_.end() && quorum->second.position != position &&
      !quorum->second.is_excused)
    fail(text(quorum->second.position) + " was told to be in a majority's memory, and " +
         text(position) + " is there instead");
}

bool SimTruth::has(Position position) const {
  return position.lsn() >= 1 && position.lsn() <= records_.size() &&
         records_[position.lsn() - 1].position == position;
}

uint64_t SimTruth::word(commit::Unit unit, uint32_t word) const {
  const auto found = words_.find(key(unit, word));
  return found == words_.end() ? 0 : found->second.value;
}

void SimTruth::told_durable(Position position) {
  if (position.value != 0 && !has(position))
    fail(text(position) + " was told to be durable, and the history ends at " + text(end()) +
         (position.lsn() <= end().lsn() ? " with another record there" : ""));
}

void SimTruth::told_quorum(Position position, uint64_t index, uint64_t term,
                           std::vector<uint64_t> voters) {
  if (position.value == 0 || has(position)) return;
  // Told late, by a leader that does not know yet that others went on without those that crashed.
  const bool is_undone = position.lsn() <= records_.size();
  Told told{position, index, term, std::move(voters), is_undone};
  if (is_undone && !had_majority(told))
    return fail(text(position) + " was told to be in a majority's memory, and never was");
  quorum_told_.try_emplace(position.lsn(), std::move(told));
}

bool SimTruth::had_majority(const Told& told) const {
  uint64_t count = 0;
  for (const uint64_t node : told.voters)
    count += holds_(node, told.index, told.term) || lost_(node, told.index, told.term);
  return count > told.voters.size() / 2;
}

void SimTruth::told_undone(Position position) {
  if (has(position))
    fail("somebody was told that " + text(position) + " is undone, and it is there");
  undone_told_.insert(position);
}

void SimTruth::told_token(Position token) {
  if (!tokens_told_.insert(token).second) fail(text(token) + " was given to two");
}

std::optional<SimTruth::Paid> SimTruth::paid(uint64_t id) const {
  const auto found = payments_.find(id);
  if (found == payments_.end()) return std::nullopt;
  return found->second;
}

void SimTruth::check_told_quorum() {
  for (const auto& [lsn, told] : quorum_told_)
    if (!told.is_excused && !has(told.position))
      fail(text(told.position) + " was told to be in a majority's memory, and is lost");
}

bool SimTruth::is_excused(Position position) const {
  for (auto it = quorum_told_.lower_bound(position.lsn()); it != quorum_told_.end(); ++it)
    if (it->second.is_excused && it->second.position.term() == position.term()) return true;
  return false;
}

uint64_t SimTruth::excused() const {
  uint64_t count = 0;
  for (const auto& [lsn, told] : quorum_told_) count += told.is_excused && !has(told.position);
  return count;
}

}  // namespace casbook::test
