#include <optional>

#include <unistd.h>

#include "base/clock.h"
#include "support/chaos_world.h"
#include "support/child_process.h"
#include "support/lanes.h"
#include "support/random.h"
#include "support/strike.h"

namespace casbook::test_support::chaos {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kDelaysOneIn = 500;

class Worker {
 public:
  explicit Worker(const WorkerContext& context)
      : context_(context),
        self_(context.board->workers[context.worker]),
        random_(context.random_seed),
        book_(must(Book::attach(kName, context.directory), "attach")),
        session_(must(book_.open_session(), "session")) {
    for (uint32_t i = 0; i < kAccounts; ++i)
      accounts_.push_back(must(book_.find_account({ExternalId::of_number(i + 1)}), "account"));
  }

  void run() {
    while (context_.board->must_stop.load_acquire() == 0) {
      run_clock_fast(context_.start_ns);
      pay_next();
      tend_leases();
    }
    finish();
  }

 private:
  // An answer that must not be ends the run.
  void fail(const char* what, const Error& error) {
    context_.board->report(Problem::defect, std::string(what) + ": " + error.message());
    _exit(0);
  }
  template <class T>
  T must(Result<T> result, const char* what) {
    if (!result) fail(what, result.error());
    return std::move(*result);
  }

  // The one it was at when it died, or was told to stop.
  void finish() {
    if (self_.id_time_ms[self_.next.load_relaxed() % 2].load_relaxed() != 0) pay_next();
  }

  void say(const Message& message) {
    if (write(context_.pipe, &message, sizeof(message)) != sizeof(message)) _exit(0);
  }

  void pay_next() {
    const uint64_t number = self_.next.load_relaxed();
    base::AtomicU64& id_time = self_.id_time_ms[number % 2];
    if (id_time.load_relaxed() == 0) id_time.store_relaxed(now_ms());
    const Plan plan = plan_payment(context_.seed, context_.worker, number,
                                   static_cast<int64_t>(id_time.load_relaxed()));
    const Message answer = pay(plan, number);
    say(answer);
    if (random_.one_in(16)) pay_again(plan, answer);
    self_.id_time_ms[(number + 1) % 2].store_relaxed(0);
    self_.next.store_release(number + 1);
  }

  static uint64_t now_ms() { return static_cast<uint64_t>(base::wall_clock_ms()); }

  Payment payment_of(const Plan& plan) const {
    Payment payment(plan.id);
    for (uint32_t i = 0; i < plan.postings; ++i)
      payment.add({accounts_[plan.parts[i].account], plan.parts[i].side, plan.parts[i].amount});
    return payment;
  }

  // Sends it until the answer is final.
  Message pay(const Plan& plan, uint64_t number) {
    for (;;) {
      Payment payment = payment_of(plan);
      Message message{Message::intent, number, 0, 0, 0, 0, 0, 0};
      if (plan.is_guarded) {
        if (!hold(plan.lease)) continue;
        // Now and then it dawdles past its lease, as a process does that is paged out.
        if (random_.one_in(200)) sleep_us(std::chrono::microseconds(kTtl).count() * 5 / 4);
        payment.guard(*held_[plan.lease]);
        message.place = held_[plan.lease]->place;
        message.token = held_[plan.lease]->token.value;
      }
      say(message);
      const Result<Receipt> receipt = session_.pay(payment);
      message.kind = Message::answer;
      if (receipt) {
        message.position = receipt->position.value;
        message.replayed = receipt->replayed;
        self_.replays.add_relaxed(receipt->replayed);
        return message;
      }
      const Error& error = receipt.error();
      if (error.is_recorded() && error.code == Code::insufficient_available) {
        message.position = error.position;
        message.code = static_cast<uint64_t>(error.code);
        message.replayed = error.replayed;
        self_.replays.add_relaxed(error.replayed);
        return message;
      }
      try_later(plan, error);
    }
  }

  void try_later(const Plan& plan, const Error& error) {
    switch (error.code) {
      case Code::lease_superseded:
      case Code::lease_missing:
        self_.stale.add_relaxed(1);
        held_[plan.lease].reset();
        return;
      case Code::backpressure:
      case Code::payment_window_full:
        return sleep_us(300);
      default:
        fail("pay", error);
    }
  }

  // The same id again gets the first answer again.
  void pay_again(const Plan& plan, const Message& first) {
    const Result<Receipt> again = session_.pay(payment_of(plan));
    const uint64_t position = again ? again->position.value : again.error().position;
    const uint64_t code = again ? 0 : static_cast<uint64_t>(again.error().code);
    const bool is_replay = again ? again->replayed : again.error().replayed;
    if (position != first.position || code != first.code || !is_replay)
      context_.board->report(Problem::acknowledgement,
                             "payment " + plan.id.value.text() + " is answered differently");
  }

  bool hold(uint32_t lease) {
    if (held_[lease]) return true;
    AcquireOptions options;
    options.ttl = kTtl;
    options.wait = kTtl * 2;
    options.owner_id = context_.worker + 1;
    options.detached = random_.one_in(4);
    const Result<Grant> grant = session_.wait_acquire(lease_name(lease), options);
    if (grant) {
      held_[lease] = grant->lease;
    } else if (grant.error().code == Code::backpressure) {
      sleep_us(300);
    } else if (grant.error().code != Code::wait_timeout &&
               grant.error().code != Code::lease_expired) {
      fail("acquire", grant.error());
    }
    return held_[lease].has_value();
  }

  void tend_leases() {
    for (std::optional<Lease>& lease : held_) {
      if (!lease || !random_.one_in(6)) continue;
      if (random_.one_in(4)) {
        if (!session_.renew(*lease, kTtl)) lease.reset();
      } else {
        (void)!session_.release(*lease);
        lease.reset();
      }
    }
  }

  const WorkerContext& context_;
  Board::Worker& self_;
  test::Random random_;
  Book book_;
  Session session_;
  std::vector<Account> accounts_;
  std::array<std::optional<Lease>, kLeases> held_;
};

// What a worker passes; most of it with every payment.
constexpr base::FaultPoint kStruck[] = {
    base::FaultPoint::session_after_claim,
    base::FaultPoint::takeover_after_mark,
    base::FaultPoint::takeover_after_run,
    base::FaultPoint::takeover_after_session,
    base::FaultPoint::commit_after_init,
    base::FaultPoint::commit_after_publish,
    base::FaultPoint::commit_after_first_lock,
    base::FaultPoint::commit_after_locks,
    base::FaultPoint::commit_after_agree,
    base::FaultPoint::commit_after_claim,
    base::FaultPoint::commit_after_decide,
    base::FaultPoint::commit_after_first_word,
    base::FaultPoint::commit_after_first_release,
    base::FaultPoint::commit_after_release,
    base::FaultPoint::commit_after_abort,
    base::FaultPoint::help_after_copy,
    base::FaultPoint::tail_before_advance,
    base::FaultPoint::floor_before_raise,
    base::FaultPoint::record_after_reserve,
    base::FaultPoint::record_before_publish,
    base::FaultPoint::record_after_publish,
    base::FaultPoint::block_after_retire,
    base::FaultPoint::block_after_intent,
    base::FaultPoint::block_after_own,
    base::FaultPoint::lease_before_acquire,
    base::FaultPoint::lease_after_acquire,
    base::FaultPoint::lease_before_renew,
    base::FaultPoint::lease_after_renew,
    base::FaultPoint::lease_before_release,
    base::FaultPoint::lease_after_release,
    base::FaultPoint::lease_waiting,
    base::FaultPoint::notify_before_wake,
    base::FaultPoint::payment_planned,
    base::FaultPoint::payment_committed,
};

// At one of them, sooner or later, killed or stopped.
Strike random_strike(uint64_t seed) {
  test::Random random(seed);
  Strike strike;
  strike.point = kStruck[random.below(std::size(kStruck))];
  strike.nth = random.below(uint64_t{1} << random.below(9)) + 1;
  strike.signal = random.one_in(3) ? SIGSTOP : SIGKILL;
  return strike;
}

}  // namespace

void work(const WorkerContext& context) {
  base::probes.mutant = context.mutant;
  begin_slow({kSlow});
  run_clock_fast(context.start_ns);
  if (context.is_struck) arm(random_strike(context.random_seed));
  delay_now_and_then(kDelaysOneIn, context.random_seed);
  Worker(context).run();
}

}  // namespace casbook::test_support::chaos
