#include "support/history.h"

#include <algorithm>
#include <limits>
#include <set>

namespace casbook::test_support {
namespace {

constexpr size_t kProblemsMax = 10;

class Checker {
 public:
  Checker(const std::vector<HistoryCall>& calls, const std::vector<WitnessRecord>& log)
      : calls_(calls), log_(log) {}

  std::vector<std::string> run() {
    read_log();
    for (size_t i = 0; i < calls_.size(); ++i) check_alone(i);
    check_real_time();
    return std::move(problems_);
  }

 private:
  void report(const std::string& what) {
    if (problems_.size() < kProblemsMax) problems_.push_back(what);
  }
  static std::string text(uint64_t number) { return std::to_string(number); }
  std::string name(size_t i) const {
    static constexpr const char* kNames[] = {"payment", "linearizable read", "read", "grant",
                                             "release"};
    const HistoryCall& call = calls_[i];
    return std::string(kNames[static_cast<uint32_t>(call.kind)]) + " " +
           (call.kind == CallKind::pay ? text(call.id) + " " : "") + "of process " +
           text(call.process) + " at " + text(call.position);
  }

  // --- the log by itself: H1 and H4 of its half

  void read_log() {
    uint64_t last = 0, last_token = 0;
    for (const WitnessRecord& record : log_) {
      if (record.position <= last) report("the log falls at " + text(record.position));
      last = record.position;
      by_position_[record.position] = &record;
      if (record.kind == WitnessRecord::Kind::pay) {
        if (!by_id_.emplace(record.id, record.position).second)
          report("payment " + text(record.id) + " is there twice, again at " + text(last));
        auto& list = balances_[record.account];
        list.push_back({record.position, (list.empty() ? 0 : list.back().second) + record.amount});
      }
      if (record.kind == WitnessRecord::Kind::acquire) {
        if (record.position <= last_token) report("a token falls at " + text(record.position));
        last_token = record.position;
      }
    }
  }
  int64_t balance_at(uint32_t account, uint64_t position) const {
    const auto found = balances_.find(account);
    if (found == balances_.end()) return 0;
    const auto& list = found->second;
    const auto behind =
        std::upper_bound(list.begin(), list.end(), position,
                         [](uint64_t p, const auto& change) { return p < change.first; });
    return behind == list.begin() ? 0 : std::prev(behind)->second;
  }

  // --- each call by itself: H1, H3, H4, H5

  void check_alone(size_t i) {
    const HistoryCall& call = calls_[i];
    if (call.kind == CallKind::pay && call.end == CallEnd::refused) refused_.insert(call.id);
    if (call.end != CallEnd::done) return;
    if (call.returned_ns < call.called_ns) report(name(i) + " returned before it was called");
    switch (call.kind) {
      case CallKind::pay:
        return check_payment(i);
      case CallKind::read_latest:
      case CallKind::read_at:
        return check_read(i);
      case CallKind::acquire:
        return check_grant(i);
      case CallKind::release:
        return;
    }
  }
  void check_payment(size_t i) {
    const HistoryCall& call = calls_[i];
    const auto found = by_position_.find(call.position);
    const WitnessRecord* const record = found == by_position_.end() ? nullptr : found->second;
    if (!record || record->kind != WitnessRecord::Kind::pay || record->id != call.id)
      return report(name(i) + " is not in the log there");
    if (record->account != call.account || record->amount != call.amount)
      report(name(i) + " is another payment in the log");
  }
  void check_read(size_t i) {
    const HistoryCall& call = calls_[i];
    const int64_t expected = balance_at(call.account, call.position);
    if (expected != call.amount)
      report(name(i) + " of account " + text(call.account) + " says " +
             std::to_string(call.amount) + ", the log says " + std::to_string(expected));
  }
  void check_grant(size_t i) {
    const HistoryCall& call = calls_[i];
    const auto found = by_position_.find(call.position);
    if (found == by_position_.end() || found->second->kind != WitnessRecord::Kind::acquire)
      report(name(i) + " is not in the log");
    if (!tokens_.insert(call.position).second) report(name(i) + " was given out before");
  }

  // --- calls against each other: H2, H5

  static bool has_done_it(const HistoryCall& call) {
    return call.end == CallEnd::done && !call.is_replayed &&
           (call.kind == CallKind::pay || call.kind == CallKind::acquire);
  }
  void check_real_time() {
    // Payments that were refused each time that they were sent.
    for (const HistoryCall& call : calls_)
      if (call.kind == CallKind::pay && call.end != CallEnd::refused) refused_.erase(call.id);
    for (const uint64_t id : refused_)
      if (by_id_.contains(id)) report("payment " + text(id) + " was refused, and is in the log");

    std::vector<size_t> by_call(calls_.size()), by_return(calls_.size());
    for (size_t i = 0; i < calls_.size(); ++i) by_call[i] = by_return[i] = i;
    std::sort(by_call.begin(), by_call.end(),
              [&](size_t a, size_t b) { return calls_[a].called_ns < calls_[b].called_ns; });
    std::erase_if(by_return, [&](size_t i) { return calls_[i].end != CallEnd::done; });
    std::sort(by_return.begin(), by_return.end(),
              [&](size_t a, size_t b) { return calls_[a].returned_ns < calls_[b].returned_ns; });
    size_t returned = 0;
    uint64_t newest = 0;  // of what had been answered
    for (const size_t i : by_call) {
      const HistoryCall& call = calls_[i];
      for (;
           returned < by_return.size() && calls_[by_return[returned]].returned_ns < call.called_ns;
           ++returned) {
        const HistoryCall& before = calls_[by_return[returned]];
        const bool counts = before.kind == CallKind::pay || before.kind == CallKind::acquire ||
                            before.kind == CallKind::read_latest;
        if (counts) newest = std::max(newest, before.position);
      }
      if (has_done_it(call) && call.position <= newest)
        report(name(i) + " lies before " + text(newest) + ", which had been answered");
      if (call.end == CallEnd::done && call.kind == CallKind::read_latest && call.position < newest)
        report(name(i) + " lacks " + text(newest) + ", which had been answered");
    }
  }

  const std::vector<HistoryCall>& calls_;
  const std::vector<WitnessRecord>& log_;
  std::vector<std::string> problems_;
  std::map<uint64_t, const WitnessRecord*> by_position_;
  std::map<uint64_t, uint64_t> by_id_;
  std::map<uint32_t, std::vector<std::pair<uint64_t, int64_t>>> balances_;  // {position, after it}
  std::set<uint64_t> tokens_, refused_;
};

}  // namespace

std::vector<std::string> check_history(const std::vector<HistoryCall>& calls,
                                       const std::vector<WitnessRecord>& log) {
  return Checker(calls, log).run();
}

}  // namespace casbook::test_support
