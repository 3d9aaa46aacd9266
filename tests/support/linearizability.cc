#include "support/linearizability.h"

#include <algorithm>
#include <compare>
#include <optional>
#include <set>

namespace casbook::test_support {
namespace {

using Kind = LinearCall::Kind;

struct State {
  std::array<int64_t, kLinearAccounts> balances{};
  uint64_t paid = 0, refused = 0;  // ids
  uint32_t holder = 0;             // the number of the grant, or of what prolonged it last
  uint32_t count = 0;              // entries
  bool has_lapsed = false;
  uint64_t token = 0, last_token = 0;  // the holder's; 0: it never came to be known
  auto operator<=>(const State&) const = default;
};

bool is_known(const LinearCall& call) { return call.returned_ns != LinearCall::kNever; }

// The state after a call with the answer that it got. Nothing: that answer is wrong here.
std::optional<State> pay(State state, const LinearCall& call) {
  const uint64_t bit = uint64_t{1} << call.id;
  // Under an id there is one answer, whatever the lease.
  if (state.paid & bit)
    return call.is_refused || call.is_stale ? std::nullopt : std::optional(state);
  if (state.refused & bit) return call.is_refused ? std::optional(state) : std::nullopt;
  const bool is_guarded_well = call.token == 0 || (state.holder != 0 && state.token == call.token);
  if (is_guarded_well == call.is_stale) return std::nullopt;
  if (call.is_stale) return state;
  const bool has_enough =
      call.from < 0 || state.balances[static_cast<size_t>(call.from)] >= call.amount;
  if (has_enough == call.is_refused) return std::nullopt;
  (call.is_refused ? state.refused : state.paid) |= bit;
  if (call.is_refused) return state;
  if (call.from >= 0) state.balances[static_cast<size_t>(call.from)] -= call.amount;
  if (call.to >= 0) state.balances[static_cast<size_t>(call.to)] += call.amount;
  return state;
}
std::optional<State> acquire(State state, const LinearCall& call) {
  const bool is_held = state.holder != 0 && !state.has_lapsed;
  if (call.is_refused) return is_held ? std::optional(state) : std::nullopt;
  const bool is_known = call.token != 0;
  if (is_held || (is_known && call.token <= state.last_token)) return std::nullopt;
  state.holder = call.grant, state.token = call.token, state.has_lapsed = false;
  state.count = 1;
  if (is_known) state.last_token = call.token;
  return state;
}
std::optional<State> release(State state, const LinearCall& call) {
  const bool holds = state.holder != 0 && state.token == call.token;
  if (holds == call.is_refused) return std::nullopt;
  if (!holds) return state;
  if (is_known(call) && state.count != call.count + 1) return std::nullopt;
  if (--state.count == 0) state.holder = 0, state.token = 0, state.has_lapsed = false;
  return state;
}
bool is_in_time(const State& state, const LinearCall& call) {
  return state.holder != 0 && state.token == call.token && !state.has_lapsed;
}
std::optional<State> renew(State state, const LinearCall& call) {
  if (is_in_time(state, call) == call.is_refused) return std::nullopt;
  if (!call.is_refused) state.holder = call.grant;
  return state;
}
// Refused: another has it.
std::optional<State> reenter(State state, const LinearCall& call) {
  const bool is_anothers = state.holder != 0 && !state.has_lapsed && state.token != call.token;
  if (call.is_refused) return is_anothers ? std::optional(state) : std::nullopt;
  if (!is_in_time(state, call)) return std::nullopt;
  state.holder = call.grant, ++state.count;
  return is_known(call) && state.count != call.count ? std::nullopt : std::optional(state);
}
std::optional<State> lapse(State state, const LinearCall& call) {
  if (state.holder != call.grant) return std::nullopt;
  state.has_lapsed = true;
  return state;
}
std::optional<State> step(const State& state, const LinearCall& call) {
  switch (call.kind) {
    case Kind::pay:
      return pay(state, call);
    case Kind::read:
      return state.balances[static_cast<size_t>(call.to)] == call.amount ? std::optional(state)
                                                                         : std::nullopt;
    case Kind::acquire:
      return acquire(state, call);
    case Kind::release:
      return release(state, call);
    case Kind::renew:
      return renew(state, call);
    case Kind::reenter:
      return reenter(state, call);
    case Kind::lapse:
      return lapse(state, call);
  }
  return std::nullopt;
}

// A call whose answer never came may have done either, or nothing, and then it is left out. The
// token of such a grant is not known, so nobody can use it.
std::vector<State> steps(const State& state, const LinearCall& call) {
  std::vector<State> after;
  const auto add = [&](const LinearCall& as) {
    const auto next = step(state, as);
    if (next && (is_known(call) || *next != state)) after.push_back(*next);
  };
  add(call);
  if (!is_known(call) && call.kind == Kind::reenter) {
    LinearCall grant = call;
    grant.kind = Kind::acquire, grant.token = 0;
    add(grant);
  }
  if (is_known(call) || call.kind != Kind::pay) return after;
  LinearCall denied = call;
  denied.is_refused = true;
  add(denied);
  return after;
}

struct Reached {
  uint64_t done = 0;  // calls, a bit for each
  State state;
  auto operator<=>(const Reached&) const = default;
};

}  // namespace

std::string check_linearizable(const std::vector<LinearCall>& calls) {
  uint64_t known = 0;
  for (size_t i = 0; i < calls.size(); ++i)
    if (is_known(calls[i])) known |= uint64_t{1} << i;
  std::vector<Reached> open{{}};
  std::set<Reached> tried{open[0]};
  uint64_t furthest = 0;
  // Bounded by what can be reached, each once.
  while (!open.empty()) {
    const Reached at = open.back();
    open.pop_back();
    if ((at.done & known) == known) return {};
    if (__builtin_popcountll(at.done) > __builtin_popcountll(furthest)) furthest = at.done;
    int64_t first_return = LinearCall::kNever;
    for (size_t i = 0; i < calls.size(); ++i)
      if (!(at.done >> i & 1)) first_return = std::min(first_return, calls[i].returned_ns);
    for (size_t i = 0; i < calls.size(); ++i) {
      if (at.done >> i & 1 || calls[i].called_ns > first_return) continue;
      for (const State& state : steps(at.state, calls[i])) {
        const Reached next{at.done | uint64_t{1} << i, state};
        if (tried.insert(next).second) open.push_back(next);
      }
    }
  }
  std::string text = "no order goes on behind " + std::to_string(__builtin_popcountll(furthest)) +
                     " of " + std::to_string(calls.size()) + " calls; left are";
  for (size_t i = 0; i < calls.size(); ++i)
    if (!(furthest >> i & 1)) text += " " + std::to_string(i);
  return text;
}

}  // namespace casbook::test_support
