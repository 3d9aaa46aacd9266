// The audit: conservation at one position, and the chain of the records in the ring.
#include <map>
#include <unordered_map>

#include "book/reading.h"

namespace casbook::book {

namespace {

constexpr size_t kProblemsMax = 100;

class Chain {
 public:
  explicit Chain(std::vector<std::string>& problems) : problems_(problems) {}

  // Each record's old values are what the record before it left.
  void follow(const log::Record& record) {
    for (uint32_t i = 0; i < record.change_count; ++i) check(record, record.changes[i]);
    for (uint32_t i = 0; i < record.change_count; ++i) {
      const log::Change& change = record.changes[i];
      if (!change.writes()) continue;
      words_[change.where >> 3] = change.new_value;
      versions_[change.unit()] = record.position.value;
    }
  }

  // The last record of each word is what the cell holds, unless a later commit changed it.
  void compare_with_cells(const commit::Store& store, Position last) {
    for (const auto& [where, value] : words_) {
      const Unit unit = where >> 5;
      const auto word = static_cast<uint32_t>(where & 31);
      const commit::WordImage image = commit::peek_word(store, unit, word);
      if (image.version > last.value || image.value == value) continue;
      problem("cell " + std::to_string(unit) + " word " + std::to_string(word) + " holds " +
              std::to_string(image.value) + ", its last record says " + std::to_string(value));
    }
  }

 private:
  void check(const log::Record& record, const log::Change& change) {
    const auto word = words_.find(change.where >> 3);
    const bool has_old = change.writes() || change.mode() == log::Mode::deny;
    if (has_old && word != words_.end() && word->second != change.old_value)
      problem(at(record) + "old value " + std::to_string(change.old_value) +
              " is not what the record before left, " + std::to_string(word->second));
    const auto version = versions_.find(change.unit());
    if (commit::is_strict(change.mode()) && version != versions_.end() &&
        version->second != change.prior)
      problem(at(record) + "version " + std::to_string(change.prior) +
              " is not that of the record before, " + std::to_string(version->second));
  }

  static std::string at(const log::Record& record) {
    return "record " + std::to_string(record.position.value) + ": ";
  }
  void problem(std::string text) {
    if (problems_.size() < kProblemsMax) problems_.push_back(std::move(text));
  }

  std::vector<std::string>& problems_;
  std::unordered_map<uint64_t, uint64_t> words_;    // where without the mode -> value
  std::unordered_map<Unit, uint64_t> versions_;
};

// The chain of the records [from, to), as far as they are sound. False: one was overwritten.
bool follow(const commit::Store& store, uint64_t from, uint64_t to, AuditReport& report) {
  Chain chain(report.problems);
  log::Record record;
  Position last;
  for (uint64_t lsn = from; lsn < to; ++lsn) {
    const log::Fetch result = log::fetch(store, lsn, record);
    if (result == log::Fetch::damaged) {
      report.problems.push_back("record at LSN " + std::to_string(lsn) + " is damaged");
      break;
    }
    if (result != log::Fetch::got) return false;
    chain.follow(record);
    last = record.position;
    ++report.records;
  }
  chain.compare_with_cells(store, last);
  return true;
}

// All that the ring holds, or, where writers overwrite the oldest before they are read, the newest
// half of it, a quarter, and so on.
bool follow_newest(const commit::Store& store, AuditReport& report) {
  const size_t problems_before = report.problems.size();
  for (uint32_t halvings = 0;; ++halvings) {
    const uint64_t floor = log::log_floor(store), end = log::log_end(store);
    const uint64_t count = (end - floor) >> halvings;
    if (count == 0 && halvings > 0) return false;
    report.records = 0;
    report.problems.resize(problems_before);
    if (follow(store, end - count, end, report)) return true;
  }
}

void check_conservation(const BookSnapshot& book, const Accounts& accounts,
                        std::vector<std::string>& problems) {
  __extension__ using Wide = __int128;
  std::map<uint32_t, Wide> sums;
  for (const AccountBalance& line : book.accounts)
    sums[line.account.ledger] += Wide{line.available} + line.held;
  for (const auto& [ledger, sum] : sums) {
    if (sum == 0) continue;
    const auto info = accounts.ledger_at(ledger);
    problems.push_back("ledger " + (info ? info->name : std::to_string(ledger)) +
                       " does not sum to zero");
  }
}

}  // namespace

Result<AuditReport> audit(const commit::Store& store, const Tables& tables,
                          const Accounts& accounts) {
  AuditReport report;
  auto book = read_book(store, tables, accounts, {});
  if (!book && book.error().code == Code::damaged) {
    report.problems.push_back("the record of the last commit is damaged");
    return report;
  }
  if (!book) return book.error();
  report.accounts = book->accounts.size();
  report.position = book->position;
  check_conservation(*book, accounts, report.problems);
  if (!follow_newest(store, report)) return Code::overrun;
  report.ok = report.problems.empty();
  return report;
}

}  // namespace casbook::book
