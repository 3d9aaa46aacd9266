#include <deque>
#include <map>
#include <unordered_map>
#include <vector>

#include <unistd.h>

#include "book/layout.h"
#include "commit/read.h"
#include "lease/layout.h"
#include "support/chaos_world.h"
#include "support/child_process.h"

namespace casbook::test_support::chaos {
namespace {

constexpr uint64_t key_of(uint64_t cell, uint32_t word) { return cell << 5 | word; }

// What the replay knows: every word that was ever written. What was not is zero.
class Replay {
 public:
  uint64_t value(uint64_t cell, uint32_t word) const {
    const auto found = words_.find(key_of(cell, word));
    return found == words_.end() ? 0 : found->second;
  }
  void apply(const WordChange& change) {
    words_[key_of(change.cell, change.word)] = change.new_value;
  }
  const std::unordered_map<uint64_t, uint64_t>& words() const { return words_; }

 private:
  std::unordered_map<uint64_t, uint64_t> words_;
};

// One worker as the checker sees it.
struct Witness {
  uint64_t last = 0;             // number + 1 of its last record
  std::vector<Message> intents;  // of payments that have no record yet
  // Of its last record: what an answer has to say.
  uint64_t position = 0, code = 0;
  uint64_t token_then = 0;  // of the lease that its plan names
  bool is_guarded = false;
};

class Checker {
 public:
  explicit Checker(const CheckerContext& context)
      : context_(context),
        board_(*context.board),
        book_(std::move(*Book::attach(kName, context.directory))),
        mapping_(std::move(*arena::attach(context.directory, kName, arena::Access::read_only))),
        store_(*mapping_),
        tables_(store_),
        follower_(std::move(*book_.follow("checker", FullPolicy::refuse_payments, true))) {
    board_.is_following.store_release(1);
  }

  void run() {
    for (uint64_t taken = 0;;) {
      const bool is_over = board_.is_over.load_acquire() != 0;
      Result<std::optional<LogRecord>> next = follower_.next();
      if (!next) {
        report(Problem::log,
               "after " + std::to_string(last_.value) + ": " + next.error().message());
        return;
      }
      if (*next) {
        take(**next);
        if (++taken % 64 == 0) follower_.release();
        continue;
      }
      follower_.release();
      for (uint32_t w = 0; w < kWorkersMax; ++w) listen(w);
      if (is_over) break;
      sleep_us(200);
    }
    compare_with_book();
  }

 private:
  void report(Problem problem, const std::string& what) { board_.report(problem, what); }
  std::string at(const LogRecord& record) const {
    return std::string(record_kind_name(record.kind)) + " at " +
           std::to_string(record.position.lsn()) + ": ";
  }

  void take(const LogRecord& record) {
    if (record.position.lsn() != last_.lsn() + 1)
      report(Problem::log, "LSN " + std::to_string(record.position.lsn()) + " follows " +
                               std::to_string(last_.lsn()));
    last_ = record.position;
    board_.records.add_relaxed(1);
    for (const WordChange& change : record.changes)
      if (replay_.value(change.cell, change.word) != change.old_value)
        report(Problem::old_value, at(record) + "cell " + std::to_string(change.cell) + " word " +
                                       std::to_string(change.word) + " was " +
                                       std::to_string(replay_.value(change.cell, change.word)) +
                                       ", not " + std::to_string(change.old_value));
    check_money(record);
    if (record.kind == RecordKind::payment || record.kind == RecordKind::refusal)
      take_payment(record);
    const uint64_t lease = lease_of(record);
    const LeaseView before = view_of(lease);
    for (const WordChange& change : record.changes) replay_.apply(change);
    if (lease != 0) take_lease(record, lease, before);
  }

  // Net changes of what accounts hold: of payments exactly their postings, of others none.
  void check_money(const LogRecord& record) {
    std::map<uint64_t, Amount> expected, seen;
    if (record.kind == RecordKind::payment)
      for (uint32_t i = 0; i < record.payment.posting_count; ++i) {
        const Posting& posting = record.payment.postings[i];
        expected[posting.account.index] +=
            posting.side == Side::credit ? posting.amount : -posting.amount;
      }
    Amount sum = 0;
    for (const WordChange& change : record.changes) {
      const uint64_t account = tables_.account_of(change.cell);
      if (account == UINT64_MAX || change.word == book::kTraits) continue;
      const auto difference = static_cast<Amount>(change.new_value - change.old_value);
      seen[account] += difference;
      sum += difference;
      if (change.word == book::kAvailable && account < kAccounts &&
          static_cast<Amount>(change.new_value) < 0)
        report(Problem::refusal,
               at(record) + "account " + std::to_string(account) + " falls below its limit");
    }
    if (sum != 0) report(Problem::money, at(record) + "sums to " + std::to_string(sum));
    if (seen != expected) report(Problem::money, at(record) + "moves other money than it says");
  }

  void take_payment(const LogRecord& record) {
    const bool is_executed = record.kind == RecordKind::payment;
    (is_executed ? board_.payments : board_.refusals).add_relaxed(1);
    const Sender sender = sender_of(record.payment.id);
    if (!is_executed) check_refusal(record);
    if (sender.worker >= kWorkersMax) return;  // set-up
    // All that was said before the payment was sent is in the pipe by now.
    listen(static_cast<uint32_t>(sender.worker));
    Witness& witness = witnesses_[sender.worker];
    if (sender.number < witness.last)
      report(Problem::twice, at(record) + "payment " + record.payment.id.value.text() + " again");
    if (sender.number > witness.last)
      report(Problem::acknowledgement, at(record) + "a worker went on without an answer");
    witness.last = sender.number + 1;
    witness.position = record.position.value;
    witness.code = is_executed ? 0 : static_cast<uint64_t>(record.payment.refusal);
    check_guard(record, sender, witness);
    std::erase_if(witness.intents, [&](const Message& m) { return m.number <= sender.number; });
  }

  // The limits say no, as of this very position.
  void check_refusal(const LogRecord& record) {
    std::map<uint64_t, Amount> available;
    for (uint32_t i = 0; i < record.payment.posting_count; ++i) {
      const Posting& posting = record.payment.postings[i];
      const auto [entry, is_new] = available.try_emplace(posting.account.index, 0);
      if (is_new)
        entry->second = static_cast<Amount>(
            replay_.value(tables_.account(posting.account.index), book::kAvailable));
      entry->second += posting.side == Side::credit ? posting.amount : -posting.amount;
    }
    for (const auto& [account, after] : available)
      if (account < kAccounts && after < 0) return;
    report(Problem::refusal, at(record) + "refused without a reason");
  }

  // Under which token it was sent is known from its sender, which token was the lease's from the
  // grants and releases before this record.
  void check_guard(const LogRecord& record, const Sender& sender, Witness& witness) {
    const Plan plan = plan_payment(context_.seed, sender.worker, sender.number, 0);
    witness.is_guarded = plan.is_guarded;
    witness.token_then = 0;
    if (!plan.is_guarded) return;
    bool was_sent = false;
    for (const Message& intent : witness.intents) {
      if (intent.number != sender.number) continue;
      const uint64_t token = view_of(intent.place).token;
      const bool is_of_now = token != 0 && intent.token == token;
      if (is_of_now || !was_sent) witness.token_then = token;
      was_sent |= is_of_now;
    }
    if (!was_sent)
      report(Problem::stale_guard, at(record) + "payment " + record.payment.id.value.text() +
                                       " was sent under no token of now");
    const bool is_named =
        record.guards.size() == 1 && record.guards[0].token.value == witness.token_then;
    if (!is_named) report(Problem::missing_guard, at(record) + "does not name its guard");
  }

  // What worker `w` has said since.
  void listen(uint32_t w) {
    Message message;
    while (read(context_.pipes[w], &message, sizeof(message)) == sizeof(message)) {
      if (message.kind == Message::intent)
        witnesses_[w].intents.push_back(message);
      else
        unheard_[w].push_back(message);
    }
    hear(w);
  }

  // Answers are judged once the record that they tell of was taken.
  void hear(uint32_t w) {
    Witness& witness = witnesses_[w];
    std::deque<Message>& answers = unheard_[w];
    while (!answers.empty() && answers.front().number < witness.last) {
      const Message answer = answers.front();
      answers.pop_front();
      std::erase_if(witness.intents, [&](const Message& m) { return m.number <= answer.number; });
      const std::string who =
          "worker " + std::to_string(w) + " payment " + std::to_string(answer.number) + ": ";
      // A worker sends the next only after the answer, and its pipe was read before that record.
      if (answer.number + 1 != witness.last || answer.position != witness.position ||
          answer.code != witness.code)
        report(Problem::acknowledgement, who + "the log says otherwise");
      if (answer.replayed == 0 && witness.is_guarded && answer.token != witness.token_then)
        report(Problem::stale_guard, who + "executed under token " + std::to_string(answer.token) +
                                         ", the lease's was " + std::to_string(witness.token_then));
    }
  }

  struct LeaseView {
    uint64_t holder = 0, token = 0;
    int64_t deadline_ns = 0;
  };
  LeaseView view_of(uint64_t cell) const {
    if (cell == 0) return {};
    const auto found = tokens_.find(cell);
    return {replay_.value(cell, lease::kHolder), found == tokens_.end() ? 0 : found->second,
            static_cast<int64_t>(replay_.value(cell, lease::kDeadline))};
  }

  // The cell whose holder, count or deadline a lease's record changes.
  static uint64_t lease_of(const LogRecord& record) {
    if (record.kind != RecordKind::lease_acquire && record.kind != RecordKind::lease_renew &&
        record.kind != RecordKind::lease_release)
      return 0;
    for (const WordChange& change : record.changes)
      if (change.word <= lease::kReleasedCount) return change.cell;
    return 0;
  }

  void take_lease(const LogRecord& record, uint64_t cell, const LeaseView& before) {
    const LeaseView after = view_of(cell);
    bool is_holder_written = false;
    for (const WordChange& change : record.changes)
      is_holder_written |= change.cell == cell && change.word == lease::kHolder;
    if (is_holder_written) tokens_[cell] = after.holder == 0 ? 0 : record.position.value;
    constexpr int64_t ttl_ns = std::chrono::nanoseconds(kTtl).count();
    if (record.kind == RecordKind::lease_acquire && is_holder_written) {
      board_.grants.add_relaxed(1);
      if (before.token != 0) board_.takeovers.add_relaxed(1);
      // Nobody can call a detached holder dead: only its deadline frees it.
      if (before.holder == lease::kDetached && after.deadline_ns - ttl_ns < before.deadline_ns)
        report(Problem::lease, at(record) + "taken before its deadline");
    }
    if (record.kind == RecordKind::lease_renew && after.deadline_ns != before.deadline_ns &&
        after.deadline_ns - ttl_ns >= before.deadline_ns)
      report(Problem::lease, at(record) + "renewed after its deadline");
    if (record.kind == RecordKind::lease_release &&
        replay_.value(cell, lease::kReleasedToken) != before.token)
      report(Problem::lease, at(record) + "released under a stale token");
  }

  // Everybody is gone: each word that was ever written is what the replay says.
  void compare_with_book() {
    for (uint32_t w = 0; w < kWorkersMax; ++w) {
      listen(w);
      if (!unheard_[w].empty())
        report(Problem::acknowledgement,
               "worker " + std::to_string(w) + " was answered for payment " +
                   std::to_string(unheard_[w].front().number) + ", which is not in the log");
    }
    for (const auto& [key, value] : replay_.words()) {
      const auto word = static_cast<uint32_t>(key & 31);
      const uint64_t held = commit::peek_word(store_, key >> 5, word).value;
      if (held != value)
        report(Problem::balance, "cell " + std::to_string(key >> 5) + " word " +
                                     std::to_string(word) + " holds " + std::to_string(held) +
                                     ", the replay says " + std::to_string(value));
    }
  }

  const CheckerContext& context_;
  Board& board_;
  Book book_;
  std::unique_ptr<arena::Mapping> mapping_;
  commit::Store store_;
  book::Tables tables_;
  LogFollower follower_;
  Position last_{};
  Replay replay_;
  std::unordered_map<uint64_t, uint64_t> tokens_;  // lease cell -> token of now, 0 = free
  std::array<Witness, kWorkersMax> witnesses_{};
  std::array<std::deque<Message>, kWorkersMax> unheard_{};
};

}  // namespace

void check(const CheckerContext& context) { Checker(context).run(); }

}  // namespace casbook::test_support::chaos
