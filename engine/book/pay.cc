#include "book/pay.h"

#include <limits>

#include "base/assert.h"
#include "book/accounts.h"
#include "book/book_time.h"
#include "log/log_reader.h"

namespace casbook::book {

using base::FaultPoint;
using base::Mutant;
using commit::CellImage;
using commit::Outcome;

namespace {

constexpr uint32_t kFastAttemptsMax = 3;
constexpr uint32_t kBackoffPausesMax = 64;
constexpr int64_t kAmountMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kAmountMax = std::numeric_limits<int64_t>::max();

Error refusal(Code code) { return {code, false, 0, 0, {}}; }

// Statistics, written by this session alone.
void count(base::AtomicU64& counter) { counter.store_relaxed(counter.load_relaxed() + 1); }

bool is_recorded(Code code) {
  return code == Code::account_closed || code == Code::insufficient_available ||
         code == Code::ceiling_exceeded;
}

}  // namespace

void Payer::prefetch(const Payment& payment, Key& key) const {
  ids_.make_key(payment.id(), key);
  ids_.prefetch(key);
  for (uint32_t i = 0; i < std::min(payment.posting_count(), kPostingsMax); ++i)
    if (payment.postings()[i].account.index < tables_.account_count())
      base::prefetch_for_write(&store_.cell(tables_.account(payment.postings()[i].account.index)));
}

void Payer::pay(const Payment& payment, std::span<const Guard> guards, const Key& key,
                Result<Receipt>& answer) {
  const char* defect = first_defect(payment);
  if (!defect) defect = net(payment);
  if (defect) {
    answer = Error{Code::bad_argument, false, 0, 0, defect};
    return;
  }
  content_.take(payment);
  // Progress: each further attempt means that another commit changed a cell of this payment; from
  // the slow lane on, only its id's bucket or the flags of its accounts can still do that.
  const bool begins_slow = base::tuning.begin_slow >> leg_count_ & 1;
  for (uint32_t tries = 0;; ++tries) {
    const bool slow = tries >= kFastAttemptsMax || begins_slow;
    if (attempt(payment, guards, key, slow, answer) == Step::answered) return;
    for (uint32_t i = 0; i < std::min(1u << std::min(tries, 6u), kBackoffPausesMax); ++i)
      base::spin_pause();
  }
}

const char* Payer::first_defect(const Payment& payment) {
  if (payment.id().value.kind() == ExternalId::Kind::none) return "payment id: expected one";
  if (payment.posting_count() < kPostingsMin || payment.posting_count() > kPostingsMax)
    return "postings: expected 2 to 8";
  if (payment.guard_count() > kGuardsMax) return "guards: expected at most 4";
  return nullptr;
}

// The common shape: one debit and one credit of the same amount. False: not that shape.
bool Payer::net_pair(const Payment& payment) {
  const Posting& one = payment.postings()[0];
  const Posting& other = payment.postings()[1];
  if (payment.posting_count() != 2 || one.amount <= 0 || one.amount != other.amount ||
      one.side == other.side || one.account.index == other.account.index ||
      one.account.ledger != other.account.ledger)
    return false;
  leg_count_ = 2;
  for (uint32_t i = 0; i < 2; ++i) {
    const Posting& posting = payment.postings()[i];
    legs_[i].account = posting.account.index;
    legs_[i].ledger = posting.account.ledger;
    legs_[i].overflow = false;
    legs_[i].delta = posting.side == Side::credit ? posting.amount : -posting.amount;
    legs_[i].traits = 0;
  }
  return true;
}

// Nets the postings of each account, so that the write set names a word once. Refuses what cannot
// be judged: amounts out of range, a ledger that does not balance. Null: nothing is wrong.
const char* Payer::net(const Payment& payment) {
  if (net_pair(payment)) return nullptr;
  leg_count_ = 0;
  __extension__ using Wide = __int128;
  Wide net_of[kPostingsMax] = {};
  for (uint32_t i = 0; i < payment.posting_count(); ++i) {
    const Posting& posting = payment.postings()[i];
    if (posting.amount <= 0) return "amount: expected 1 to 2^63-1";
    uint32_t at = 0;
    while (at < leg_count_ && legs_[at].account != posting.account.index) ++at;
    if (at == leg_count_) {
      legs_[leg_count_++] = Leg{};
      legs_[at].account = posting.account.index;
      legs_[at].ledger = posting.account.ledger;
    }
    if (legs_[at].ledger != posting.account.ledger)
      return "account: one account named with two ledgers";
    net_of[at] += posting.side == Side::credit ? Wide{posting.amount} : -Wide{posting.amount};
  }
  for (uint32_t i = 0; i < leg_count_; ++i) {
    Wide sum = 0;
    for (uint32_t j = 0; j < leg_count_; ++j)
      if (legs_[j].ledger == legs_[i].ledger) sum += net_of[j];
    if (sum != 0) return "postings: expected debits equal to credits in each ledger";
    legs_[i].overflow = net_of[i] > kAmountMax || net_of[i] < -Wide{kAmountMax};
    legs_[i].delta = legs_[i].overflow ? 0 : static_cast<int64_t>(net_of[i]);
  }
  return nullptr;
}

Payer::Step Payer::attempt(const Payment& payment, std::span<const Guard> guards, const Key& key,
                           bool slow, Result<Receipt>& answer) {
  set_.clear();
  // [gate] Before everything but bad arguments.
  if (!(store_.control().gate.load_acquire() & 1 && store_.is_leading())) {
    answer = refusal(store_.closed_code());
    return Step::answered;
  }
  const int64_t now = book_time_ms(store_);
  ids_.move_horizon(writer_, now);
  // Read before the id, though the id's answer comes first: its bucket is most often still on its
  // way from memory. What decides is compared again inside the commit.
  read_legs();
  Leg* cause = nullptr;
  const Code judged = static_cast<Code>(judge(cause));
  const Code guarded = check_guards(guards);
  const IdPlan plan = ids_.plan(writer_.executor(), key, now, set_);
  if (plan.kind == IdPlan::Kind::raced) return Step::again;
  if (plan.kind == IdPlan::Kind::found) {
    answer = replay(payment, plan.answer);
    return Step::answered;
  }
  const Code first = plan.kind == IdPlan::Kind::too_old         ? Code::payment_too_old
                     : plan.kind == IdPlan::Kind::from_future   ? Code::payment_from_future
                     : guarded != Code{}                        ? guarded
                     : judged != Code{} && !is_recorded(judged) ? judged
                     : plan.kind == IdPlan::Kind::window_full   ? Code::payment_window_full
                                                                : Code{};
  if (first != Code{}) {
    answer = refusal(first);
    return Step::answered;
  }
  const bool refused = judged != Code{};
  if (!slow)
    add_fast(refused);
  else if (refused)
    add_denial(*cause);
  else
    add_slow();
  return finish(payment, guards, static_cast<uint8_t>(judged), now, answer);
}

// The token is the version of the holder's word: it changes with every grant and every release, not
// with a renewal. Checked here for the answer, and again inside the commit for safety.
Code Payer::check_guards(std::span<const Guard> guards) {
  Code code{};
  for (const Guard& guard : guards) {
    const Code found = check_guard(guard);
    if (found != Code{} && (code == Code{} || found < code)) code = found;
  }
  return code;
}

Code Payer::check_guard(const Guard& guard) {
  if (guard.unit >= store_.units() || !store_.is_cell(guard.unit, guard.word))
    return Code::lease_missing;
  const commit::WordImage holder =
      commit::read_word(store_, writer_.executor(), guard.unit, guard.word);
  if (holder.value == 0 || guard.word_version == 0) return Code::lease_missing;
  return holder.version == guard.word_version ? Code{} : Code::lease_superseded;
}

void Payer::add_guards(std::span<const Guard> guards) {
  if (base::mutated(Mutant::guard_skipped)) return;
  for (const Guard& guard : guards) {
    bool is_repeated = false;  // the same lease twice is one guard
    for (const Guard& other : guards.first(&guard - guards.data()))
      is_repeated |= other.unit == guard.unit;
    if (!is_repeated) set_.check(guard.unit, guard.word, guard.word_version);
  }
}

void Payer::read_legs() {
  for (uint32_t i = 0; i < leg_count_; ++i)
    if (legs_[i].account < tables_.account_count()) read_leg(legs_[i]);
}

void Payer::read_leg(Leg& leg) {
  const auto hot = commit::read_cell<3>(store_, writer_.executor(), tables_.account(leg.account));
  leg.version = hot.version;
  leg.traits = hot.value[kTraits];
  leg.traits_version = hot.word_version[kTraits];
  leg.available = static_cast<int64_t>(hot.value[kAvailable]);
  leg.min = kAmountMin, leg.max = kAmountMax;
  const bool needs_min = leg.delta < 0 && (leg.traits & kHasMin) && !(leg.traits & kMinIsZero);
  const bool needs_max = leg.delta > 0 && (leg.traits & kHasMax);
  if (leg.delta < 0 && (leg.traits & kMinIsZero)) leg.min = 0;
  leg.has_profile_limit = needs_min || needs_max;
  if (!leg.has_profile_limit) return;
  // A change of the limits writes the hot cell too, so its version vouches for what is read here.
  CellImage profile;
  commit::read_cell(store_, writer_.executor(), tables_.profile(leg.account), kMaxAvailable + 1,
                    profile);
  leg.profile_version = profile.version;
  if (needs_min) leg.min = static_cast<int64_t>(profile.value[kMinAvailable]);
  if (needs_max) leg.max = static_cast<int64_t>(profile.value[kMaxAvailable]);
}

uint32_t Payer::judge(Leg*& cause) {
  uint32_t first = UINT32_MAX;
  const auto refuse = [&](Code code, Leg& leg) {
    if (static_cast<uint32_t>(code) < first) first = static_cast<uint32_t>(code), cause = &leg;
  };
  for (uint32_t i = 0; i < leg_count_; ++i) {
    Leg& leg = legs_[i];
    if (leg.account >= tables_.account_count() || !(leg.traits & kOpened)) {
      refuse(Code::account_missing, leg);
      continue;
    }
    if ((leg.traits & kLedgerMask) != leg.ledger) refuse(Code::ledger_mismatch, leg);
    if (leg.traits & kClosed) refuse(Code::account_closed, leg);
    int64_t after;
    if (leg.overflow || __builtin_add_overflow(leg.available, leg.delta, &after)) {
      refuse(Code::amount_overflow, leg);
      continue;
    }
    if (after < leg.min) refuse(Code::insufficient_available, leg);
    if (after > leg.max) refuse(Code::ceiling_exceeded, leg);
  }
  return first == UINT32_MAX ? 0 : first;
}

// A refusal guards what it judged, else the log would hold one that was false at its position.
// An account whose postings cancel out is written too: the record has to say what it held.
void Payer::add_fast(bool refused) {
  const bool is_swapped = leg_count_ == 2 && legs_[0].account > legs_[1].account;
  for (uint32_t i = 0; i < leg_count_; ++i) {
    const Leg& leg = legs_[i ^ static_cast<uint32_t>(is_swapped)];  // write sets like order
    const Unit unit = tables_.account(leg.account);
    if (refused) {
      if (!base::mutated(Mutant::refusal_unguarded)) set_.guard(unit, leg.version);
    } else {
      set_.set(unit, kAvailable, leg.version, static_cast<uint64_t>(leg.available + leg.delta),
               static_cast<uint64_t>(leg.available));
    }
  }
}

void Payer::add_slow() {
  for (uint32_t i = 0; i < leg_count_; ++i) {
    const Leg& leg = legs_[i];
    const Unit unit = tables_.account(leg.account);
    set_.check(unit, kTraits, leg.traits_version);
    set_.add(unit, kAvailable, leg.delta, leg.min, leg.max);
    if (leg.has_profile_limit) set_.guard(tables_.profile(leg.account), leg.profile_version);
  }
}

void Payer::add_denial(const Leg& cause) {
  const Unit unit = tables_.account(cause.account);
  set_.check(unit, kTraits, cause.traits_version);
  if (cause.traits & kClosed) return;  // the flags are the reason
  set_.deny(unit, kAvailable, cause.delta, cause.min, cause.max);
  if (cause.has_profile_limit) set_.guard(tables_.profile(cause.account), cause.profile_version);
}

Payer::Step Payer::finish(const Payment& payment, std::span<const Guard> guards, uint8_t refused,
                          int64_t now_ms, Result<Receipt>& answer) {
  ids_.insert(set_, refused, content_.hash(), now_ms);
  add_guards(guards);
  set_.describe(refused ? commit::Kind::refusal : commit::Kind::payment, now_ms);
  note_payment(set_, payment, content_, refused);
  base::fault_point(FaultPoint::payment_planned);
  const commit::CommitResult result = writer_.commit(set_);
  switch (result.outcome) {
    case Outcome::conflict:
    case Outcome::refused:  // judged again from what the accounts hold now
      return Step::again;
    case Outcome::sealed:
    case Outcome::backpressure:
      answer = failure_of(store_, result.outcome);
      return Step::answered;
    case Outcome::committed:
      break;
  }
  base::fault_point(FaultPoint::payment_committed);
  arena::SessionSlot& slot = store_.session(writer_.session());
  count(refused ? slot.denials : slot.payments);
  if (set_.has_agreed_entries()) count(slot.slow_lane);
  if (refused)
    answer = Error{static_cast<Code>(refused), false, result.position, now_ms, {}, true};
  else
    fill_receipt(payment, now_ms, result, *answer);
  return Step::answered;
}

// In the slow lane what was planned with may be old: the agreed values are what counts.
void Payer::correct_slow(const commit::CommitResult& result, int64_t* after) const {
  const auto entries = set_.entries();
  for (uint32_t e = 0; e < entries.size(); ++e)
    for (uint32_t l = 0; entries[e].mode() == commit::Mode::add && l < leg_count_; ++l)
      if (entries[e].unit() == tables_.account(legs_[l].account))
        after[l] = static_cast<int64_t>(writer_.agreed_value(result, e)) + legs_[l].delta;
}

// What is available after the payment, per posting: as written, or as agreed in the slow lane.
void Payer::fill_receipt(const Payment& payment, int64_t now_ms, const commit::CommitResult& result,
                         Receipt& receipt) const {
  receipt.position = {result.position};
  receipt.time_ms = now_ms;
  receipt.balances_known = true;
  receipt.balance_count = payment.posting_count();
  int64_t after[kPostingsMax];
  for (uint32_t l = 0; l < leg_count_; ++l) after[l] = legs_[l].available + legs_[l].delta;
  if (set_.has_agreed_entries()) correct_slow(result, after);
  for (uint32_t i = 0; i < payment.posting_count(); ++i) {
    uint32_t l = i < leg_count_ ? i : 0;  // most often posting i is leg i
    while (legs_[l].account != payment.postings()[i].account.index)
      l = l + 1 < leg_count_ ? l + 1 : 0;
    receipt.available[i] = after[l];
  }
}

Result<Receipt> Payer::replay(const Payment& payment, const IdAnswer& recorded) const {
  log::Record record;
  PaymentInfo info;
  const bool held =
      log::fetch(store_, Position{recorded.position}.lsn(), record) == log::Fetch::got &&
      read_payment_record(tables_, record, info);
  if (recorded.content != content_.hash()) {
    Error conflict = refusal(Code::payment_conflict);
    conflict.detail = held ? "differs in: " + first_difference(payment, info) : "";
    conflict.position = recorded.position;
    conflict.time_ms = recorded.time_ms;
    return conflict;
  }
  if (recorded.code != 0)
    return Error{
        static_cast<Code>(recorded.code), true, recorded.position, recorded.time_ms, {}, true};
  Receipt receipt;
  receipt.position = {recorded.position};
  receipt.time_ms = recorded.time_ms;
  receipt.replayed = true;
  receipt.balances_known = held;
  receipt.balance_count = held ? info.posting_count : 0;
  if (held) receipt.available = info.available;
  return receipt;
}

}  // namespace casbook::book
