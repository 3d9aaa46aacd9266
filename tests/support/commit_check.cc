#include "support/commit_check.h"

#include <map>

namespace casbook::test {

namespace {

using commit::EntryValue;
using commit::Mode;
using commit::Outcome;
using log::Change;
using log::Fetch;

// An account as one commit left it.
struct Version {
  uint64_t position = 0, step = 0;  // 0: as formatted
  uint64_t value[kAccountWords] = {}, word_version[kAccountWords] = {};
};

class Checker {
 public:
  explicit Checker(const CommitHistory& history) : history_(history) {
    accounts_.resize(history.arena.shape().accounts);
    for (auto& versions : accounts_) {
      versions.emplace_back();
      versions[0].value[0] = history.available;
    }
  }

  std::string run() {
    replay();
    for (size_t i = 0; i < history_.attempts.size(); ++i) check_attempt(i, history_.attempts[i]);
    for (const CellSeen& seen : history_.cells) check_cell(seen);
    for (const SnapshotSeen& seen : history_.snapshots) check_snapshot(seen);
    for (const FetchSeen& seen : history_.fetches) check_fetch(seen);
    check_remains();
    return violation_;
  }

 private:
  void require(bool is_right, const std::string& rule, uint64_t lsn = 0) {
    if (is_right || !violation_.empty()) return;
    violation_ = rule + (lsn ? " (LSN " + std::to_string(lsn) + ")" : "");
  }

  // --- the log -----------------------------------------------------------------------------------

  void replay() {
    uint64_t lsn = commit::kFirstLsn;
    epoch_ = history_.first_epoch;
    for (const Claim& claim : history_.claims) {
      if (claim.is_mark()) {
        replay_mark(claim, lsn);
      } else {
        require(claim.record.position.term() == epoch_, "a record of another epoch", lsn);
        require(epoch_ > sealed_, "a record behind the SEAL of its epoch", lsn);
        replay_record(claim, lsn);
      }
      ++lsn;
    }
    for (uint64_t i = 0; i < history_.arena.shape().ring; ++i) {
      const uint64_t claimed = history_.arena.store().slot(i).lo.load_relaxed();
      require(static_cast<int64_t>(claimed) < static_cast<int64_t>(lsn), "a hole in the log");
    }
  }

  void replay_mark(const Claim& claim, uint64_t lsn) {
    const uint64_t epoch = commit::mark_epoch(claim.content);
    if (claim.record.kind == commit::Kind::seal) {
      require(epoch > sealed_, "an epoch is sealed twice", lsn);
      sealed_ = epoch;
    } else {
      require(epoch > epoch_, "an epoch is opened twice", lsn);
      epoch_ = epoch;
    }
  }

  void replay_record(const Claim& claim, uint64_t lsn) {
    const uint64_t position = claim.record.position.value;
    const auto number = static_cast<uint64_t>(claim.record.time_ms);
    require(lsn_of_attempt_.emplace(number, lsn).second, "an attempt is in the log twice", lsn);
    require(claim.record.note_count == 2 && claim.record.notes[0] == number &&
                claim.record.notes[1] == ~number,
            "the notes of a record", lsn);
    int64_t money = 0;
    // All of them against the state before, then all applied.
    for (uint32_t i = 0; i < claim.record.change_count; ++i)
      check_change(claim.entries[i], claim.record.changes[i], lsn);
    for (uint32_t i = 0; i < claim.record.change_count; ++i) {
      const Change& change = claim.record.changes[i];
      if (!change.writes()) continue;
      auto& versions = accounts_.at(change.unit());
      if (versions.back().position != position) {
        versions.push_back(versions.back());
        versions.back().position = position;
        versions.back().step = claim.step;
      }
      Version& version = versions.back();
      if (change.word() < 2) money += static_cast<int64_t>(change.new_value - change.old_value);
      version.value[change.word()] = change.new_value;
      version.word_version[change.word()] = position;
    }
    require(money == 0, "money is not conserved", lsn);
  }

  void check_change(const EntryValue& entry, const Change& change, uint64_t lsn) {
    const Version& before = accounts_.at(entry.unit()).back();
    require(change.where == entry.where, "a record names another word than its entry", lsn);
    const uint64_t value = entry.word() < kAccountWords ? before.value[entry.word()] : 0;
    switch (entry.mode()) {
      case Mode::set:
        require(entry.a == before.position, "the log is no serialisation: version", lsn);
        require(change.old_value == value, "the old value of a record", lsn);
        require(change.new_value == entry.b, "the new value of a record", lsn);
        break;
      case Mode::guard:
        require(entry.a == before.position, "a guarded cell has changed", lsn);
        break;
      case Mode::check:
        require(entry.a == before.word_version[entry.word()], "a checked word has changed", lsn);
        break;
      case Mode::add:
        require(change.old_value == value, "the agreed old value", lsn);
        require(change.new_value == value + entry.a, "the sum of a record", lsn);
        require(is_inside(entry, value), "a bound is broken", lsn);
        break;
      case Mode::deny:
        require(change.old_value == value, "the old value that was denied", lsn);
        require(!is_inside(entry, value), "a refusal without reason is recorded", lsn);
        break;
    }
  }

  static bool is_inside(const EntryValue& entry, uint64_t value) {
    const auto sum = static_cast<int64_t>(value + entry.a);  // small numbers: no overflow
    return sum >= static_cast<int64_t>(entry.b) && sum <= static_cast<int64_t>(entry.c);
  }

  // --- answers -----------------------------------------------------------------------------------

  void check_attempt(uint64_t number, const Attempt& attempt) {
    const auto found = lsn_of_attempt_.find(number);
    const bool is_logged = found != lsn_of_attempt_.end();
    if (!attempt.is_answered) return;  // killed: either is right
    if (attempt.result.outcome != Outcome::committed) {
      require(!is_logged, "answered as not done, but in the log", is_logged ? found->second : 0);
      if (attempt.result.outcome == Outcome::refused) check_refusal(attempt);
      if (attempt.result.outcome == Outcome::backpressure)
        require(attempt.may_be_held, "backpressure, and nobody holds the ring");
      return;
    }
    require(is_logged, "answered as committed, not in the log");
    if (!is_logged) return;
    const Claim& claim = *history_.find_claim(found->second);
    require(claim.record.position.value == attempt.result.position, "another position answered",
            found->second);
    require(claim.step > attempt.time.began && claim.step <= attempt.time.ended,
            "claimed outside of the call", found->second);
  }

  // Some state within the call justifies it.
  void check_refusal(const Attempt& attempt) {
    const EntryValue& entry = attempt.entries.at(attempt.result.refused_entry);
    bool is_justified = false;
    for_each_version(entry.unit(), attempt.time, [&](const Version& version) {
      const uint64_t value = version.value[entry.word()];
      is_justified |= entry.mode() == Mode::add     ? !is_inside(entry, value)
                      : entry.mode() == Mode::deny  ? is_inside(entry, value)
                      : entry.mode() == Mode::check ? version.word_version[entry.word()] != entry.a
                                                    : false;
    });
    require(is_justified, "refused without reason");
  }

  template <class Visit>
  void for_each_version(commit::Unit unit, Interval time, Visit visit) const {
    const auto& versions = accounts_.at(unit);
    for (size_t i = 0; i < versions.size() && versions[i].step <= time.ended; ++i)
      if (i + 1 == versions.size() || versions[i + 1].step > time.began) visit(versions[i]);
  }

  void check_cell(const CellSeen& seen) {
    bool is_found = false;
    for_each_version(seen.unit, seen.time, [&](const Version& version) {
      bool is_same = !seen.has_cell_version || version.position == seen.version;
      for (uint32_t i = 0; i < seen.count; ++i) {
        const uint32_t word = seen.first_word + i;
        is_same &= version.value[word] == seen.value[i] &&
                   version.word_version[word] == seen.word_version[i];
      }
      is_found |= is_same;
    });
    require(is_found, "a read of a state that was not");
  }

  void check_snapshot(const SnapshotSeen& seen) {
    const uint64_t lsn = seen.position.lsn();
    require(lsn < history_.end_at(seen.time.ended), "a snapshot of the future", lsn);
    require(seen.is_past || lsn + 1 >= history_.end_at(seen.time.began), "a stale snapshot", lsn);
    const Claim* claim = history_.find_claim(lsn);
    require((claim ? claim->record.position : Position{}) == seen.position,
            "a snapshot of no position", lsn);
    for (uint32_t account = 0; account < accounts_.size(); ++account) {
      const Version* last = nullptr;
      for (const Version& version : accounts_[account])
        if (version.position <= seen.position.value) last = &version;
      for (uint32_t word = 0; word < kAccountWords; ++word)
        require(seen.values[account * kAccountWords + word] == last->value[word],
                "a snapshot is not the state at its position", lsn);
    }
  }

  void check_fetch(const FetchSeen& seen) {
    const Claim* claim = history_.find_claim(seen.lsn);
    switch (seen.result) {
      case Fetch::got:
        require(claim && claim->step <= seen.time.ended, "fetched before it was claimed", seen.lsn);
        require(claim && same_record(claim->record, seen.record), "fetched another record",
                seen.lsn);
        break;
      case Fetch::end:
        require(seen.lsn >= history_.end_at(seen.time.began), "fetch says end too early", seen.lsn);
        break;
      case Fetch::overrun:
        require(seen.lsn < seen.floor_after, "overrun above the floor", seen.lsn);
        break;
      case Fetch::damaged:
        require(false, "a damaged record", seen.lsn);
    }
  }

  // --- what is left in the arena -----------------------------------------------------------------

  void check_remains() {
    const commit::Store& store = history_.arena.store();
    for (uint32_t account = 0; account < accounts_.size(); ++account) {
      const Version& last = accounts_[account].back();
      commit::Cell& cell = store.cell(history_.arena.account(account));
      const uint64_t state = cell.state.load_relaxed();
      require(!commit::is_reference(state), "a cell is still locked");
      require(state == last.position, "the version of a cell is not its last writer's");
      for (uint32_t word = 0; word < kAccountWords; ++word) {
        require(cell.word(word).lo.load_relaxed() == last.value[word],
                "a cell is not what the log says");
        require(cell.word(word).hi.load_relaxed() == last.word_version[word],
                "the version of a word is not its last writer's");
      }
    }
    require(log::log_end(store) == history_.end(), "the end of the log");
  }

  const CommitHistory& history_;
  std::vector<std::vector<Version>> accounts_;
  std::map<uint64_t, uint64_t> lsn_of_attempt_;
  uint64_t epoch_ = 1, sealed_ = 0;
  std::string violation_;
};

}  // namespace

std::string check_history(const CommitHistory& history) { return Checker(history).run(); }

}  // namespace casbook::test
