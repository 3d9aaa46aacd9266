#include "support/history.h"

#include <map>
#include <set>

#include "support/history_times.h"
#include "support/witness_book.h"

namespace casbook::test_support {
namespace {

constexpr size_t kProblemsMax = 10;
using RecordKind = WitnessRecord::Kind;

class Checker {
 public:
  Checker(const std::vector<HistoryCall>& calls, const std::vector<WitnessRecord>& log,
          std::optional<uint32_t> world)
      : calls_(calls), log_(log), world_(world), times_(calls) {}

  std::vector<std::string> run() {
    read_log();
    for (size_t i = 0; i < calls_.size(); ++i) check_alone(i);
    for (size_t i = 0; i < calls_.size(); ++i) check_lease_refusal(i);
    for (size_t i = 0; i < calls_.size(); ++i) check_takeover(i);
    for (size_t i = 0; i < calls_.size(); ++i) check_real_time(i);
    check_refused_payments();
    check_asked_for();
    return std::move(problems_);
  }

 private:
  void report(const std::string& what) {
    if (problems_.size() < kProblemsMax) problems_.push_back(what);
  }
  static std::string text(uint64_t number) { return std::to_string(number); }
  std::string name(size_t i) const {
    static constexpr const char* kNames[] = {"payment", "linearizable read", "read",    "balance",
                                             "grant",   "release",           "renewal", "re-entry"};
    const HistoryCall& call = calls_[i];
    return std::string(kNames[static_cast<uint32_t>(call.kind)]) + " " +
           (call.kind == CallKind::pay ? text(call.id) + " " : "") + "of process " +
           text(call.process) + " at " + text(call.position);
  }

  // --- the log by itself: H1, H4 and H7 of its half, H8

  void read_log() {
    uint64_t last = 0, last_token = 0;
    for (const WitnessRecord& record : log_) {
      if (record.position <= last) report("the log falls at " + text(record.position));
      last = record.position;
      by_position_[record.position] = &record;
      if (record.kind == RecordKind::pay || record.kind == RecordKind::deny) read_payment(record);
      if (record.kind == RecordKind::acquire) {
        if (record.position <= last_token) report("a token falls at " + text(record.position));
        last_token = record.position;
      }
      read_entries(record);
      book_.take(record);
    }
  }
  void read_payment(const WitnessRecord& record) {
    const std::string which = "payment " + text(record.id);
    if (!by_id_.emplace(record.id, &record).second)
      report(which + " is there twice, again at " + text(record.position));
    if (record.token != 0 && book_.token_before(record.lease, record.position) != record.token)
      report(which + " stands at " + text(record.position) + " under token " + text(record.token) +
             ", which does not hold the lease there");
    const bool is_denied = record.kind == RecordKind::deny;
    if (!is_denied && (!world_ || record.from == *world_)) return;
    const int64_t had = book_.balance_at(record.from, record.position);
    if ((had >= record.amount) == is_denied)
      report(which + (is_denied ? " was denied " : " took ") + std::to_string(record.amount) +
             " at " + text(record.position) + ", where there was " + std::to_string(had));
  }
  void read_entries(const WitnessRecord& record) {
    const uint32_t had = book_.entries(record.lease);
    const std::string where = " at " + text(record.position);
    if (record.kind == RecordKind::reenter && (had == 0 || record.count != had + 1))
      report("a re-entry makes " + text(had) + " entries " + text(record.count) + where);
    if (record.kind == RecordKind::leave && record.count + 1 != had)
      report("a release makes " + text(had) + " entries " + text(record.count) + where);
    if (record.kind == RecordKind::release && had > 1)
      report("a release frees a lease that has " + text(had) + " entries" + where);
  }
  // Nothing: the log does not reach there, or something else is there.
  const WitnessRecord* record_of(const HistoryCall& call, RecordKind kind) const {
    const auto found = by_position_.find(call.position);
    return found == by_position_.end() || found->second->kind != kind ? nullptr : found->second;
  }

  // --- each call by itself: H1, H3, H4, H7

  void check_alone(size_t i) {
    const HistoryCall& call = calls_[i];
    if (call.end != CallEnd::done && call.end != CallEnd::denied) return;
    if (call.returned_ns < call.called_ns) report(name(i) + " returned before it was called");
    switch (call.kind) {
      case CallKind::pay:
        return check_payment(i);
      case CallKind::read_latest:
      case CallKind::read_at:
      case CallKind::peek:
        return check_read(i);
      case CallKind::acquire:
        return check_grant(i);
      case CallKind::release:
        return check_release(i);
      case CallKind::renew:
        return check_held(i, RecordKind::renew);
      case CallKind::reenter:
        return check_held(i, RecordKind::reenter);
    }
  }
  void check_payment(size_t i) {
    const HistoryCall& call = calls_[i];
    const bool is_denied = call.end == CallEnd::denied;
    const WitnessRecord* const record =
        record_of(call, is_denied ? RecordKind::deny : RecordKind::pay);
    if (!record || record->id != call.id)
      return report(name(i) + (is_denied ? " was denied, which" : "") + " is not in the log there");
    if (record->account != call.account || record->from != call.from ||
        record->amount != call.amount)
      report(name(i) + " is another payment in the log");
    // A replay is the earlier call's, whose guard was another.
    if (!call.is_replayed &&
        (record->token != call.token || (call.token && record->lease != call.lease)))
      report(name(i) + " is not guarded in the log as it was asked for");
  }
  void check_read(size_t i) {
    const HistoryCall& call = calls_[i];
    const int64_t expected = book_.balance_at(call.account, call.position);
    if (expected != call.amount)
      report(name(i) + " of account " + text(call.account) + " says " +
             std::to_string(call.amount) + ", the log says " + std::to_string(expected));
  }
  void check_grant(size_t i) {
    const HistoryCall& call = calls_[i];
    const WitnessRecord* const record = record_of(call, RecordKind::acquire);
    if (!record || record->lease != call.lease) report(name(i) + " is not in the log");
    if (!tokens_.emplace(call.position, i).second) report(name(i) + " was given out before");
  }
  void check_takeover(size_t i) {
    const HistoryCall& call = calls_[i];
    if (call.kind != CallKind::acquire || call.end != CallEnd::done) return;
    const auto former = tokens_.find(book_.token_before(call.lease, call.position));
    if (former == tokens_.end()) return;
    const HistoryCall& held = calls_[former->second];
    if (held.is_bound) return;
    int64_t held_until_ns = held.called_ns + held.ttl_ns;
    for (const size_t longer : prolonged(held.position))
      if (calls_[longer].position < call.position)
        held_until_ns = std::max(held_until_ns, calls_[longer].called_ns + calls_[longer].ttl_ns);
    if (call.returned_ns < held_until_ns)
      report(name(i) + " took over from " + text(held.position) + " before its TTL was over");
  }
  // By renewals and re-entries that were done.
  const std::vector<size_t>& prolonged(uint64_t token) const {
    static const std::vector<size_t> kNone;
    const auto found = prolonged_.find(token);
    return found == prolonged_.end() ? kNone : found->second;
  }
  void check_held(size_t i, RecordKind kind) {
    const HistoryCall& call = calls_[i];
    const WitnessRecord* const record = record_of(call, kind);
    if (!record || record->lease != call.lease) return report(name(i) + " is not in the log");
    if (book_.token_before(call.lease, call.position) != call.token)
      report(name(i) + " is of token " + text(call.token) +
             ", which does not hold the lease there");
    if (kind == RecordKind::reenter && record->count != call.count)
      report(name(i) + " says " + text(call.count) + " entries, the log says " +
             text(record->count));
    prolonged_[call.token].push_back(i);
  }
  void check_release(size_t i) {
    const HistoryCall& call = calls_[i];
    const WitnessRecord* const record =
        record_of(call, call.count > 0 ? RecordKind::leave : RecordKind::release);
    if (!record || record->lease != call.lease || record->count != call.count)
      return report(name(i) + " is not in the log");
    if (book_.token_before(call.lease, call.position) != call.token)
      report(name(i) + " ended another grant than that of token " + text(call.token));
  }
  void check_lease_refusal(size_t i) {
    const HistoryCall& call = calls_[i];
    if (call.end != CallEnd::refused || (call.kind == CallKind::pay && call.token == 0)) return;
    const bool wants_it = call.kind == CallKind::acquire || call.kind == CallKind::reenter;
    const bool is_true =
        book_.was_holder(call.lease, times_.before(i), times_.behind(i), [&](uint64_t token) {
          return wants_it ? token != 0 && token != call.token : token != call.token;
        });
    if (is_true || (call.kind == CallKind::renew && may_have_expired(i))) return;
    report(name(i) + (wants_it ? " was refused while nobody held the lease"
                               : " was refused while its token held the lease"));
  }
  // By the grant, and by what prolonged it before that call was made.
  bool may_have_expired(size_t i) const {
    const HistoryCall& call = calls_[i];
    const auto granted = tokens_.find(call.token);
    if (granted == tokens_.end()) return true;
    int64_t held_until_ns = calls_[granted->second].called_ns + calls_[granted->second].ttl_ns;
    for (const size_t longer : prolonged(call.token))
      if (calls_[longer].returned_ns < call.called_ns)
        held_until_ns = std::max(held_until_ns, calls_[longer].called_ns + calls_[longer].ttl_ns);
    return call.returned_ns >= held_until_ns;
  }

  // --- calls against each other: H2, H5, H6

  void check_real_time(size_t i) {
    const HistoryCall& call = calls_[i];
    const uint64_t newest = times_.before(i);
    if (has_done_it(call) && call.position <= newest)
      report(name(i) + " lies before " + text(newest) + ", which had been answered");
    if (call.end != CallEnd::done) return;
    const uint64_t needed = call.kind == CallKind::read_latest ? newest
                            : call.kind == CallKind::peek ? book_.changed_at(call.account, newest)
                                                          : 0;
    if (call.position < needed)
      report(name(i) + " lacks " + text(needed) + ", which had been answered");
  }
  // Payments that were refused each time that they were sent.
  void check_refused_payments() {
    std::set<uint64_t> refused, others;
    for (const HistoryCall& call : calls_) {
      if (call.kind != CallKind::pay) continue;
      const bool was_refused = call.end == CallEnd::refused || call.end == CallEnd::turned_away;
      (was_refused ? refused : others).insert(call.id);
    }
    for (const uint64_t id : refused)
      if (!others.contains(id) && by_id_.contains(id))
        report("payment " + text(id) + " was refused, and is in the log");
  }
  void check_asked_for() {
    std::map<uint64_t, size_t> first;      // call by payment id
    std::map<uint32_t, uint64_t> unknown;  // acquisitions by lease
    for (size_t i = 0; i < calls_.size(); ++i) {
      const HistoryCall& call = calls_[i];
      const bool may_be_grant = call.kind == CallKind::acquire || call.kind == CallKind::reenter;
      if (may_be_grant && call.end == CallEnd::unknown) ++unknown[call.lease];
      if (call.kind != CallKind::pay) continue;
      const size_t earliest = first.emplace(call.id, i).first->second;
      if (call.called_ns < calls_[earliest].called_ns) first[call.id] = i;
    }
    for (const auto& [id, record] : by_id_) {
      const auto call = first.find(id);
      if (call == first.end())
        report("payment " + text(id) + " is in the log, and nobody asked for it");
      else if (record->position <= times_.before(call->second))
        report("payment " + text(id) + " is in the log before it was first asked for");
    }
    for (const WitnessRecord& record : log_) {
      if (record.kind != RecordKind::acquire || tokens_.contains(record.position)) continue;
      if (unknown[record.lease]-- == 0)
        return report("the grant at " + text(record.position) + " is nobody's");
    }
  }

  const std::vector<HistoryCall>& calls_;
  const std::vector<WitnessRecord>& log_;
  const std::optional<uint32_t> world_;
  const HistoryTimes times_;
  std::vector<std::string> problems_;
  WitnessBook book_;
  std::map<uint64_t, const WitnessRecord*> by_position_, by_id_;
  std::map<uint64_t, size_t> tokens_;                  // that were told, and by which call
  std::map<uint64_t, std::vector<size_t>> prolonged_;  // by token
};

}  // namespace

std::vector<std::string> check_history(const std::vector<HistoryCall>& calls,
                                       const std::vector<WitnessRecord>& log,
                                       std::optional<uint32_t> world) {
  return Checker(calls, log, world).run();
}

}  // namespace casbook::test_support
