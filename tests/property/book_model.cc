// Random operations on a real book against a model that says exactly what each has to answer. At
// the end the audit is content, replaying the log gives the cells, and the past is what it was.
//
// A failure prints its seed and the shortest sequence; RC_PARAMS="seed=..." runs it again.
#include <cstdlib>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "support/book_model.h"
#include "support/dated_id.h"
#include "support/id_table.h"
#include "support/lanes.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;

constexpr int64_t kMinuteMs = 60'000;
constexpr int64_t kHourMs = 60 * kMinuteMs;
constexpr Amount kAmounts[] = {1, 2, 3, 7, 20, INT64_MAX, INT64_MAX - 1, 0};
constexpr std::optional<Amount> kMins[] = {0, std::nullopt, -10, 5};
constexpr std::optional<Amount> kMaxs[] = {std::nullopt, 40, 4, std::nullopt};
constexpr int kAccountNames = 7;

[[maybe_unused]] const bool enough = setenv("RC_PARAMS", "max_success=1000", 0) == 0;

enum class What : uint8_t { open, limits, close, pay, acquire, renew, release, wall, boot };

// What each number means depends on the operation.
struct Step {
  What what;
  std::vector<uint32_t> with;
};

void showValue(const Step& step, std::ostream& out) {
  constexpr const char* kNames[] = {"open",  "limits",  "close", "pay", "acquire",
                                    "renew", "release", "wall",  "boot"};
  out << kNames[static_cast<size_t>(step.what)];
  for (const uint32_t number : step.with) out << ' ' << number;
}

rc::Gen<Step> any_step() {
  const auto what = rc::gen::weightedElement<What>({{3, What::open},
                                                    {2, What::limits},
                                                    {1, What::close},
                                                    {12, What::pay},
                                                    {3, What::acquire},
                                                    {2, What::renew},
                                                    {2, What::release},
                                                    {1, What::wall},
                                                    {1, What::boot}});
  return rc::gen::build<Step>(
      rc::gen::set(&Step::what, what),
      rc::gen::set(&Step::with, rc::gen::container<std::vector<uint32_t>>(
                                    12, rc::gen::inRange<uint32_t>(0, 64))));
}

// As RC_ASSERT, whose text gets lost on the way.
void ensure(bool is_so, int line = __builtin_LINE()) {
  if (!is_so) RC_FAIL("the expectation of line " + std::to_string(line));
}

class Run {
 public:
  // Bit n: payments of n accounts begin in the slow lane.
  explicit Run(uint32_t slow) : slow_(slow) {
    base::tuning.begin_slow = slow;
    for (const Account account : {book_.world, book_.world_usd})
      model_.accounts.push_back({account.ledger, {}, 0, 0, false});
    for (uint64_t i = 0; i < 6; ++i) ids_.push_back(payment_id(i));
    for (const auto& id : {payment_id("a text of more than 16 bytes"), uuid_v7(start_ms_, 1),
                           ulid(start_ms_ - 23 * kHourMs, 2), uuid_v7(start_ms_ - 26 * kHourMs, 3),
                           uuid_v7(start_ms_ + 10 * kMinuteMs + kMinuteMs / 2, 4)})
      ids_.push_back(id);
  }

  void take(const Step& step) {
    const std::vector<uint32_t>& n = step.with;
    const uint64_t before = book_.book.position().lsn();
    bool commits = false;
    switch (step.what) {
      case What::open:
        commits = open(n);
        break;
      case What::limits:
        commits = set_limits(n);
        break;
      case What::close:
        commits = close(n);
        break;
      case What::pay:
        commits = pay(n);
        break;
      case What::acquire:
        commits = acquire(n);
        break;
      case What::renew:
        commits = renew(n);
        break;
      case What::release:
        commits = release(n);
        break;
      case What::wall:
        step_wall_clock((static_cast<int64_t>(n[0] % 6) - 2) * kMinuteMs);
        break;
      case What::boot:
        step_boot_clock(50'000 * (n[0] % 3));
        break;
    }
    if (step.what == What::pay) return;  // it may have moved the horizon as well
    ensure(book_.book.position().lsn() == before + commits);
  }

  void check_all() {
    for (size_t i = 0; i < model_.accounts.size(); ++i)
      ensure(book_.available(account(i)) == model_.accounts[i].available);
    for (const auto& [position, balances] : past_) {
      std::vector<Account> then;
      for (size_t i = 0; i < balances.size(); ++i) then.push_back(account(i));
      const auto read = must(book_.book.balances(then, position));
      for (size_t i = 0; i < balances.size(); ++i) ensure(read[i].available == balances[i]);
    }
    ensure(must(book_.book.audit()).problems.empty());
    replay_the_log();
  }

 private:
  static CreateOptions options() {
    CreateOptions options = small_options();
    options.records = 1024;
    return options;
  }
  Account account(size_t index) const {
    return {static_cast<uint32_t>(index), model_.accounts[index].ledger};
  }
  // One of the open ones, or one that is not there, or one with a wrong ledger.
  Account any_account(uint32_t n) const {
    const auto index = n % (model_.accounts.size() + 1);
    if (index == model_.accounts.size()) return {n % 2 ? 60u : UINT32_MAX, 0};
    Account found = account(index);
    if (n >= 62) found.ledger ^= 1;
    return found;
  }
  Session& session(uint32_t which) { return which ? other_ : book_.session; }

  bool open(const std::vector<uint32_t>& n) {
    const std::string name = "account " + std::to_string(n[0] % kAccountNames);
    const AccountOptions asked{.ledger = n[1] % 4 == 0 ? "USD" : "EUR",
                               .limits = {kMins[n[2] % 4], kMaxs[n[3] % 4]},
                               .code = n[4] % 8 == 0};
    const uint32_t ledger = n[1] % 4 == 0 ? 1 : 0;
    const auto answer = book_.session.open_account(account_id(name), asked);
    if (asked.limits.min_available > asked.limits.max_available && asked.limits.min_available &&
        asked.limits.max_available) {
      ensure(code_of(answer) == Code::bad_argument);
      return false;
    }
    const auto known = named_.find(name);
    if (known == named_.end()) {
      ensure(code_of(answer) == kDone);
      ensure(answer->index == model_.accounts.size());
      named_[name] = answer->index;
      model_.accounts.push_back({ledger, asked.limits, asked.code, 0, false});
      return true;
    }
    const auto& state = model_.accounts[known->second];
    const bool is_same = state.ledger == ledger && state.limits == asked.limits &&
                         state.code == asked.code && !state.closed;
    ensure(code_of(answer) == (is_same ? kDone : Code::account_exists));
    return false;
  }

  bool set_limits(const std::vector<uint32_t>& n) {
    const Account target = any_account(n[0] % 60);
    const AccountLimits limits{kMins[n[1] % 4], kMaxs[n[2] % 4]};
    const bool contradict = limits.min_available && limits.max_available &&
                            *limits.min_available > *limits.max_available;
    const bool is_there = target.index < model_.accounts.size();
    const Code expected = contradict                             ? Code::bad_argument
                          : !is_there                            ? Code::account_missing
                          : model_.accounts[target.index].closed ? Code::account_closed
                                                                 : kDone;
    ensure(code_of(book_.session.set_limits(target, limits)) == expected);
    if (expected == kDone) model_.accounts[target.index].limits = limits;
    return expected == kDone;
  }

  bool close(const std::vector<uint32_t>& n) {
    const Account target = any_account(n[0] % 60);
    const bool is_there = target.index < model_.accounts.size();
    const Code expected = !is_there                                      ? Code::account_missing
                          : model_.accounts[target.index].available != 0 ? Code::account_not_empty
                                                                         : kDone;
    const bool was_closed = is_there && model_.accounts[target.index].closed;
    ensure(code_of(book_.session.close_account(target)) == expected);
    if (expected == kDone) model_.accounts[target.index].closed = true;
    return expected == kDone && !was_closed;
  }

  Payment make_payment(const std::vector<uint32_t>& n) {
    Payment payment(ids_[n[0] % ids_.size()]);
    const uint32_t pairs = 1 + n[1] % 4;
    for (uint32_t i = 0; i < pairs; ++i) {
      const Amount amount = kAmounts[n[2 + i] % std::size(kAmounts)];
      payment.debit(any_account(n[3 + i]), amount).credit(any_account(n[5 + i]), amount);
    }
    if (n[9] == 0) payment.debit(any_account(n[3]), 1);
    payment.code(n[10] % 16 == 0);
    if (n[11] % 4 == 0 && !grants_.empty()) payment.guard(grants_[n[11] % grants_.size()]);
    if (n[11] % 16 == 0) payment.guard(grants_.empty() ? Lease{} : grants_[0]);
    return payment;
  }

  bool pay(const std::vector<uint32_t>& n) {
    const Payment payment = make_payment(n);
    now_ms_ = std::max(now_ms_, base::wall_clock_ms());
    // Every attempt keeps the horizon within a 64th of the window behind.
    model_.horizon_ms = now_ms_ - 25 * kHourMs;
    const auto verdict = model_.judge(payment, now_ms_);
    const uint64_t before = book_.book.position().lsn(), slow_before = made_slow(book_.book);
    const auto answer = session(n[9] % 2).pay(payment);
    ensure(code_of(answer) == verdict.code);
    if (verdict.replayed) {
      check_replay(payment, answer);
    } else if (verdict.commits) {
      record(payment, answer);
    } else {
      ensure(verdict.code == Code::payment_conflict || !answer.error().is_recorded());
    }
    // Nobody else is there, so the lane is the one it began in. That an account is closed is
    // refused by its flags.
    const bool is_slow = slow_ >> account_count(payment) & 1;
    ensure(made_slow(book_.book) - slow_before ==
           (verdict.commits && is_slow && verdict.code != Code::account_closed));
    const uint64_t commits = book_.book.position().lsn() - before;
    ensure(commits == verdict.commits || commits == verdict.commits + 1u);
    return verdict.commits;
  }

  static size_t account_count(const Payment& payment) {
    std::set<uint32_t> accounts;
    for (uint32_t i = 0; i < std::min(payment.posting_count(), kPaymentPostingsMax); ++i)
      accounts.insert(payment.postings()[i].account.index);
    return accounts.size();
  }

  void record(const Payment& payment, const Result<Receipt>& answer) {
    BookModel::Recorded recorded{payment, code_of(answer), {}, 0, {}};
    if (answer) {
      ensure(!answer->replayed);
      recorded.available = model_.apply(payment);
      recorded.position = answer->position;
      recorded.time_ms = answer->time_ms;
      ensure(answer->balance_count == recorded.available.size());
      for (size_t i = 0; i < recorded.available.size(); ++i)
        ensure(answer->available[i] == recorded.available[i]);
    } else {
      ensure(!answer.error().replayed);
      recorded.position = {answer.error().position};
      recorded.time_ms = answer.error().time_ms;
    }
    ensure(recorded.position == book_.book.position());
    model_.payments.emplace(payment.id().value.text(), recorded);
    std::vector<Amount>& then = past_[recorded.position];
    for (const auto& account : model_.accounts) then.push_back(account.available);
  }

  void check_replay(const Payment& payment, const Result<Receipt>& answer) {
    const auto& first = model_.payments.at(payment.id().value.text());
    if (!answer) {
      ensure(answer.error().replayed);
      ensure(answer.error().position == first.position.value);
      ensure(answer.error().time_ms == first.time_ms);
      return;
    }
    ensure(answer->replayed && answer->balances_known);
    ensure(answer->position == first.position);
    ensure(answer->time_ms == first.time_ms);
    for (size_t i = 0; i < first.available.size(); ++i)
      ensure(answer->available[i] == first.available[i]);
  }

  static std::string lease_name(uint32_t n) { return "lease " + std::to_string(n % 3); }
  static int64_t ttl_ms(uint32_t n) { return n % 2 ? 60'000 : 120'000; }

  bool acquire(const std::vector<uint32_t>& n) {
    const std::string name = lease_name(n[0]);
    const uint32_t who = n[1] % 2;
    const int64_t now = base::boot_clock_ns();
    const auto* held = model_.held(name);
    const bool is_free = !held || held->deadline_ns <= now;
    const bool is_mine = held && held->holder == who;
    const auto answer =
        session(who).try_acquire(name, {.ttl = std::chrono::milliseconds(ttl_ms(n[2]))});
    if (!is_free && !is_mine) {
      ensure(code_of(answer) == Code::lease_held);
      return false;
    }
    ensure(code_of(answer) == kDone);
    BookModel::LeaseState state{who, {answer->lease.place, book_.book.position()}, 0, 1};
    if (!is_free) state = *held, ++state.count;
    state.deadline_ns = std::max(state.deadline_ns, now + ttl_ms(n[2]) * 1'000'000);
    ensure(answer->lease == state.lease);
    ensure(answer->count == state.count);
    model_.leases[name] = state;
    grants_.push_back(answer->lease);
    names_[name_key(answer->lease)] = name;
    return true;
  }

  bool renew(const std::vector<uint32_t>& n) {
    if (grants_.empty()) return false;
    const Lease lease = grants_[n[0] % grants_.size()];
    const std::string name = names_.at(name_key(lease));
    const int64_t now = base::boot_clock_ns();
    Code expected = model_.judge_handle(lease);
    if (expected == kDone && model_.held(name)->deadline_ns <= now) expected = Code::lease_expired;
    ensure(code_of(session(n[1] % 2).renew(lease, std::chrono::milliseconds(ttl_ms(n[2])))) ==
           expected);
    if (expected != kDone) return false;
    int64_t& deadline = model_.leases[name].deadline_ns;
    deadline = std::max(deadline, now + ttl_ms(n[2]) * 1'000'000);
    return true;
  }

  bool release(const std::vector<uint32_t>& n) {
    if (grants_.empty()) return false;
    const Lease lease = grants_[n[0] % grants_.size()];
    const Code expected = model_.judge_handle(lease);
    const auto answer = session(n[1] % 2).release(lease);
    ensure(code_of(answer) == expected);
    if (expected != kDone) return false;
    auto& state = model_.leases[names_.at(name_key(lease))];
    ensure(answer->count == --state.count);
    ensure(answer->was_expired == (state.deadline_ns <= base::boot_clock_ns()));
    if (state.count == 0) model_.leases.erase(names_.at(name_key(lease)));
    return true;
  }

  static std::pair<uint64_t, uint64_t> name_key(const Lease& lease) {
    return {lease.place, lease.token.value};
  }

  void replay_the_log() {
    std::map<std::pair<uint64_t, uint32_t>, uint64_t> words;
    auto reader = must(book_.book.read_log());
    for (auto record = must(reader.next()); record; record = must(reader.next()))
      for (const WordChange& change : record->changes) {
        uint64_t& value = words[{change.cell, change.word}];
        ensure(value == change.old_value);
        value = change.new_value;
      }
    const IdTable below(book_);
    for (const auto& [where, value] : words)
      ensure(commit::peek_word(below.store, where.first, where.second).value == value);
  }

  const uint32_t slow_;
  SmallBook book_{options()};
  Book other_book_ = book_.attach();
  Session other_ = must(other_book_.open_session());
  BookModel model_;
  std::map<std::string, uint32_t> named_;
  std::map<Position, std::vector<Amount>> past_;  // balances after a commit, by index
  std::vector<PaymentId> ids_;
  std::vector<Lease> grants_;
  std::map<std::pair<uint64_t, uint64_t>, std::string> names_;  // of what was granted
  int64_t start_ms_ = base::wall_clock_ms(), now_ms_ = start_ms_;
};

RC_GTEST_PROP(BookModel, AnswersAsTheModelSays, ()) {
  const auto steps = *rc::gen::container<std::vector<Step>>(any_step());
  Run run(*rc::gen::inRange<uint32_t>(0, 2u << kPaymentPostingsMax));
  for (const Step& step : steps) run.take(step);
  run.check_all();
}

}  // namespace
}  // namespace casbook
