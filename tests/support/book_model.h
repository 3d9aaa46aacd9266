// What a book has to answer, said in the simplest way: one thread, plain containers, no cells.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <casbook/casbook.h>

#include "base/limits.h"

namespace casbook::test_support {

class BookModel {
 public:
  struct AccountState {
    uint32_t ledger = 0;
    AccountLimits limits;
    uint32_t code = 0;
    Amount available = 0;
    bool closed = false;
  };
  struct LeaseState {
    uint32_t holder = 0;  // which attachment
    Lease lease;
    int64_t deadline_ns = 0;
    uint32_t count = 0;
  };
  // What stands under a payment id. `code` {}: executed.
  struct Recorded {
    Payment content;
    Code code{};
    Position position;
    int64_t time_ms = 0;
    std::vector<Amount> available;
  };
  struct Verdict {
    Code code{};
    bool replayed = false;
    bool commits = false;
  };

  std::vector<AccountState> accounts;  // by index
  std::map<std::string, LeaseState> leases;
  std::map<std::string, Recorded> payments;  // by the text of the id
  int64_t horizon_ms = INT64_MIN;            // later than this minus a 64th of the window

  // In the order of precedence.
  Verdict judge(const Payment& payment, int64_t now_ms) const {
    if (!is_sound(payment)) return {Code::bad_argument};
    if (const auto known = payments.find(payment.id().value.text()); known != payments.end()) {
      if (!is_same(known->second.content, payment)) return {Code::payment_conflict};
      return {known->second.code, true};
    }
    const int64_t own = payment.id().value.own_time_ms();
    if (own >= 0 && own < horizon_ms) return {Code::payment_too_old};
    if (own > now_ms + kFutureToleranceMs) return {Code::payment_from_future};
    if (const Code code = judge_guards(payment); code != Code{}) return {code};
    const Code code = judge_accounts(payment);
    const bool is_recorded = code == Code::account_closed || code == Code::insufficient_available ||
                             code == Code::ceiling_exceeded;
    return {code, false, code == Code{} || is_recorded};
  }

  // Moves the money of an executed payment. Returns what is available after, per posting.
  std::vector<Amount> apply(const Payment& payment) {
    for (const auto& [account, delta] : nets(payment))
      accounts[account].available += static_cast<Amount>(delta);
    std::vector<Amount> after;
    for (uint32_t i = 0; i < payment.posting_count(); ++i)
      after.push_back(accounts[payment.postings()[i].account.index].available);
    return after;
  }

  const LeaseState* held(const std::string& name) const {
    const auto found = leases.find(name);
    return found == leases.end() ? nullptr : &found->second;
  }
  // Of a handle, by its place: a free one may have gone to another name.
  Code judge_handle(const Lease& lease) const {
    for (const auto& [name, state] : leases)
      if (state.lease.place == lease.place)
        return state.lease.token == lease.token ? Code{} : Code::lease_superseded;
    return Code::lease_missing;
  }

 private:
  __extension__ using Wide = __int128;

  static std::map<uint32_t, Wide> nets(const Payment& payment) {
    std::map<uint32_t, Wide> net;
    for (uint32_t i = 0; i < payment.posting_count(); ++i) {
      const Posting& posting = payment.postings()[i];
      net[posting.account.index] += posting.side == Side::credit ? posting.amount : -posting.amount;
    }
    return net;
  }

  static bool is_sound(const Payment& payment) {
    if (payment.posting_count() < 2 || payment.posting_count() > 8) return false;
    std::map<uint32_t, Wide> per_ledger;
    std::map<uint32_t, uint32_t> ledger_of;
    for (uint32_t i = 0; i < payment.posting_count(); ++i) {
      const Posting& posting = payment.postings()[i];
      if (posting.amount <= 0) return false;
      const auto [known, is_new] =
          ledger_of.try_emplace(posting.account.index, posting.account.ledger);
      if (known->second != posting.account.ledger) return false;
      per_ledger[posting.account.ledger] +=
          posting.side == Side::credit ? posting.amount : -posting.amount;
    }
    return std::all_of(per_ledger.begin(), per_ledger.end(),
                       [](const auto& entry) { return entry.second == 0; });
  }

  static bool is_same(const Payment& a, const Payment& b) {
    if (a.posting_count() != b.posting_count() || a.code() != b.code() ||
        a.user_data() != b.user_data())
      return false;
    for (uint32_t i = 0; i < a.posting_count(); ++i) {
      const Posting &one = a.postings()[i], &other = b.postings()[i];
      if (one.account.index != other.account.index || one.side != other.side ||
          one.amount != other.amount)
        return false;
    }
    return true;
  }

  Code judge_guards(const Payment& payment) const {
    Code first{};
    for (uint32_t i = 0; i < payment.guard_count(); ++i) {
      const Code code = judge_handle(payment.guards()[i]);
      if (code != Code{} && (first == Code{} || code < first)) first = code;
    }
    return first;
  }

  Code judge_accounts(const Payment& payment) const {
    Code first{};
    const auto refuse = [&first](Code code) {
      if (first == Code{} || code < first) first = code;
    };
    for (uint32_t i = 0; i < payment.posting_count(); ++i) {
      const Account account = payment.postings()[i].account;
      if (account.index >= accounts.size())
        refuse(Code::account_missing);
      else if (accounts[account.index].ledger != account.ledger)
        refuse(Code::ledger_mismatch);
    }
    for (const auto& [index, delta] : nets(payment)) {
      if (index >= accounts.size()) continue;
      const AccountState& account = accounts[index];
      if (account.closed) refuse(Code::account_closed);
      const Wide after = account.available + delta;
      const bool overflows =
          delta > INT64_MAX || delta < -Wide{INT64_MAX} || after > INT64_MAX || after < INT64_MIN;
      if (overflows) {
        refuse(Code::amount_overflow);
        continue;
      }
      if (delta < 0 && account.limits.min_available && after < *account.limits.min_available)
        refuse(Code::insufficient_available);
      if (delta > 0 && account.limits.max_available && after > *account.limits.max_available)
        refuse(Code::ceiling_exceeded);
    }
    return first;
  }
};

}  // namespace casbook::test_support
