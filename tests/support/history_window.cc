#include "support/history_window.h"

#include <algorithm>
#include <map>

namespace casbook::test_support {
namespace {

using Kind = LinearCall::Kind;

// Accounts, ids and grants by small numbers, in the order in which they come.
class Window {
 public:
  Window(const std::vector<HistoryCall>& calls, uint32_t world, const std::set<uint32_t>& ended)
      : world_(world), ended_(ended) {
    for (const HistoryCall& call : calls) {
      int64_t& last = last_called_ns_[call.process];
      last = std::max(last, call.called_ns);
    }
  }

  void take(const HistoryCall& call) {
    if (call.end == CallEnd::turned_away || call.kind == CallKind::read_at) return;
    const bool is_read = call.kind == CallKind::read_latest || call.kind == CallKind::peek;
    if (is_read && call.end == CallEnd::unknown) return;
    LinearCall made{.called_ns = call.called_ns};
    if (call.end != CallEnd::unknown) made.returned_ns = call.returned_ns;
    made.is_refused = call.end == CallEnd::refused || call.end == CallEnd::denied;
    switch (call.kind) {
      case CallKind::pay:
        take_payment(call, made);
        break;
      case CallKind::acquire:
        take_grant(call, made);
        break;
      case CallKind::release:
        made.kind = Kind::release, made.token = call.token, made.count = call.count;
        break;
      case CallKind::renew:
      case CallKind::reenter:
        take_prolonged(call, made);
        break;
      default:
        made.kind = Kind::read, made.to = number_of(call.account), made.amount = call.amount;
    }
    list_.push_back(made);
  }
  std::vector<LinearCall> list() {
    std::vector<LinearCall> all = list_;
    all.insert(all.end(), lapses_.begin(), lapses_.end());
    return all;
  }

 private:
  int32_t number_of(uint32_t account) {
    if (account == world_) return -1;
    return accounts_.emplace(account, static_cast<int32_t>(accounts_.size())).first->second;
  }
  void take_payment(const HistoryCall& call, LinearCall& made) {
    made.kind = Kind::pay;
    made.id = ids_.emplace(call.id, static_cast<uint32_t>(ids_.size())).first->second;
    made.from = number_of(call.from), made.to = number_of(call.account);
    made.amount = call.amount, made.token = call.token;
    made.is_refused = call.end == CallEnd::denied;
    made.is_stale = call.end == CallEnd::refused;
  }
  void take_grant(const HistoryCall& call, LinearCall& made) {
    made.kind = Kind::acquire;
    if (made.is_refused) return;
    if (call.end == CallEnd::done) made.token = call.position;
    if (call.is_bound) bound_.insert(made.token);
    let_lapse(call, made, call.is_bound);
  }
  void take_prolonged(const HistoryCall& call, LinearCall& made) {
    made.kind = call.kind == CallKind::renew ? Kind::renew : Kind::reenter;
    made.token = call.token, made.count = call.count;
    if (!made.is_refused) let_lapse(call, made, bound_.contains(call.token));
  }
  // Never before what had been done for that token would have: it only gets longer.
  void let_lapse(const HistoryCall& call, LinearCall& made, bool is_bound) {
    made.grant = ++grants_;
    LinearCall lapse{.kind = Kind::lapse, .called_ns = call.called_ns + call.ttl_ns};
    if (made.token != 0) {
      int64_t& until_ns = until_ns_[made.token];
      lapse.called_ns = std::max(lapse.called_ns, until_ns);
      if (call.end == CallEnd::done) until_ns = lapse.called_ns;
    }
    if (is_bound && ended_.contains(call.process))
      lapse.called_ns = std::min(lapse.called_ns, last_called_ns_[call.process]);
    lapse.grant = made.grant;
    lapses_.push_back(lapse);
  }

  const uint32_t world_;
  const std::set<uint32_t>& ended_;
  std::map<uint32_t, int64_t> last_called_ns_;  // by process
  std::map<uint64_t, int64_t> until_ns_;        // by token: before that it does not lapse
  std::set<uint64_t> bound_;                    // tokens
  std::map<uint32_t, int32_t> accounts_;
  std::map<uint64_t, uint32_t> ids_;
  uint32_t grants_ = 0;
  std::vector<LinearCall> list_, lapses_;
};

}  // namespace

std::vector<LinearCall> linear_calls(const std::vector<HistoryCall>& calls, uint32_t world,
                                     const std::set<uint32_t>& ended) {
  Window window(calls, world, ended);
  int64_t last_ns = 0;
  for (const HistoryCall& call : calls) {
    window.take(call);
    last_ns = std::max(last_ns, call.returned_ns);
  }
  std::vector<LinearCall> list = window.list();
  std::erase_if(list, [&](const LinearCall& call) { return call.called_ns > last_ns; });
  return list;
}

std::string text_of(const std::vector<LinearCall>& calls) {
  static constexpr const char* kNames[] = {"pay",   "read",  "acquire", "release",
                                           "lapse", "renew", "reenter"};
  int64_t first_ns = LinearCall::kNever;
  for (const LinearCall& call : calls) first_ns = std::min(first_ns, call.called_ns);
  std::string text;
  for (size_t i = 0; i < calls.size(); ++i) {
    const LinearCall& call = calls[i];
    const bool is_known = call.returned_ns != LinearCall::kNever;
    text += std::to_string(i) + ": " + std::to_string(call.called_ns - first_ns) + " to " +
            (is_known ? std::to_string(call.returned_ns - first_ns) : "?") + " ns " +
            kNames[static_cast<int>(call.kind)];
    if (call.kind == Kind::pay) text += " id " + std::to_string(call.id);
    if (call.kind == Kind::pay || call.kind == Kind::read)
      text += " from " + std::to_string(call.from) + " to " + std::to_string(call.to) + " amount " +
              std::to_string(call.amount);
    if (call.token != 0) text += " token " + std::to_string(call.token);
    if (call.grant != 0) text += " grant " + std::to_string(call.grant);
    if (call.count != 0) text += " count " + std::to_string(call.count);
    text += call.is_refused ? " refused\n" : call.is_stale ? " stale\n" : "\n";
  }
  return text;
}

}  // namespace casbook::test_support
