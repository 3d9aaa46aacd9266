#include "support/crash_scenarios.h"

#include <gtest/gtest.h>

#include "arena/arena.h"
#include "commit/executor.h"

namespace casbook::test_support {

using base::FaultPoint;
using std::chrono::hours;
using std::chrono::milliseconds;

void Stage::begin() const {
  if (passages)
    count_passages(*passages);
  else
    arm(strike);
}

namespace {

Session must_open(Book& book) {
  Result<Session> session = book.open_session();
  require(static_cast<bool>(session), "no session");
  return std::move(*session);
}

Lease must_hold(Session& session, std::string_view name, milliseconds ttl = hours(1)) {
  const Result<Grant> grant = session.try_acquire(name, {.ttl = ttl});
  require(static_cast<bool>(grant), "the lease is not free");
  return grant->lease;
}

// Leaves a process that did `body` up to the nth passage of `point`: dead, or stopped there.
void leave_behind(Stage& stage, const Strike& strike, const std::function<void()>& body) {
  stage.others.emplace_back([&] {
    arm(strike);
    body();
  });
  const bool is_there = strike.signal == SIGSTOP ? stage.others.back().await_stopped()
                                                 : stage.others.back().was_killed_by(SIGKILL);
  ASSERT_TRUE(is_there) << "nobody was struck";
}

void pay_plain(Stage& stage, const Payment& payment) {
  Book book = stage.book.attach();
  Session session = must_open(book);
  (void)!session.pay(payment);
}

// A payment that conflicts once: a rival changes its second account between plan and commit, so
// that it aborts with the first one locked.
void pay_against_rival(Stage& stage, const Payment& payment, const Payment& rival) {
  static void (*next_hook)(FaultPoint);
  static Session* rival_session;
  static const Payment* rival_payment;
  Book book = stage.book.attach();
  Session session = must_open(book), other = must_open(book);
  rival_session = &other;
  rival_payment = &rival;
  stage.begin();
  next_hook = base::probes.fault;
  base::probes.fault = [](FaultPoint point) {
    if (point == FaultPoint::payment_planned && rival_session) {
      const base::Probes saved = base::probes;
      base::probes = {};
      require(static_cast<bool>(std::exchange(rival_session, nullptr)->pay(*rival_payment)),
              "the rival's payment failed");
      base::probes = saved;
    }
    next_hook(point);
  };
  (void)!session.pay(payment);
}

constexpr uint64_t kManyPayments = 300;  // fills blocks, laps the ring, moves the tail

Payment nth_of_many(const Stage& stage, uint64_t i) {
  if (i % 3 != 0) return stage.book.narrow(i);
  return i % 2 == 0 ? stage.book.wide(i) : stage.book.widest(i);
}

void settle_guarded(Stage& stage, const Payment& payment) {
  stage.book.expect_free("till");
  stage.book.settle(payment);
}

Scenario pay_scenario(const char* name, Payment (*payment)(const Stage&)) {
  return {name, [](Stage&) {}, [payment](Stage& stage) { pay_guarded(stage, payment(stage)); },
          [payment](Stage& stage) { settle_guarded(stage, payment(stage)); }};
}

// The victim finds the accounts locked by a process that is stopped, and helps it.
Scenario help_scenario(const char* name, FaultPoint point, Payment (*other)(const Stage&)) {
  return {name,
          [=](Stage& stage) {
            leave_behind(stage, {point, 1, SIGSTOP}, [&] { pay_plain(stage, other(stage)); });
          },
          [](Stage& stage) { pay_guarded(stage, stage.book.narrow(2)); },
          [=](Stage& stage) {
            stage.others.clear();
            settle_guarded(stage, stage.book.narrow(2));
            stage.book.settle(other(stage));
          }};
}

Scenario many_payments() {
  return {"pay_many", [](Stage&) {},
          [](Stage& stage) {
            Book book = stage.book.attach();
            Session session = must_open(book);
            stage.begin();
            for (uint64_t i = 1; i <= kManyPayments; ++i) (void)!session.pay(nth_of_many(stage, i));
          },
          [](Stage& stage) {
            uint64_t executed = 0;
            for (uint64_t i = 1; i <= kManyPayments; ++i) {
              const bool was_executed = stage.book.settle(nth_of_many(stage, i));
              if (was_executed) {
                EXPECT_EQ(++executed, i) << "in the order they were sent";
              }
            }
          }};
}

Scenario conflict() {
  return {"pay_conflict", [](Stage&) {},
          [](Stage& stage) {
            pay_against_rival(stage, stage.book.narrow(1), stage.book.narrow(2, 2, 1));
          },
          [](Stage& stage) {
            stage.book.settle(stage.book.narrow(1));
            stage.book.settle(stage.book.narrow(2, 2, 1));
          }};
}

Scenario take_over() {
  return {"take_over",
          [](Stage& stage) {
            leave_behind(stage, {FaultPoint::commit_after_claim},
                         [&] { pay_plain(stage, stage.book.narrow(1)); });
            leave_behind(stage, {FaultPoint::commit_after_locks},
                         [&] { pay_plain(stage, stage.book.wide(2)); });
          },
          [](Stage& stage) {
            Book book = stage.book.attach();
            stage.begin();
            (void)!book.take_over_the_dead();
          },
          [](Stage& stage) {
            // Or what it claimed was the other scenario's.
            EXPECT_TRUE(stage.book.settle(stage.book.narrow(1)) || stage.is_shared)
                << "it was claimed";
            stage.book.settle(stage.book.wide(2));
          }};
}

Scenario attach() {
  return {"attach", [](Stage&) {},
          [](Stage& stage) {
            stage.begin();
            pay_plain(stage, stage.book.narrow(1));
          },
          [](Stage& stage) { stage.book.settle(stage.book.narrow(1)); }};
}

Scenario create() {
  static const auto options = [](const Stage& stage) {
    CreateOptions wanted;
    wanted.directory = stage.book.directory();
    wanted.accounts = 1, wanted.payments = 1, wanted.leases = 1, wanted.sessions = 1;
    wanted.records = 64;
    return wanted;
  };
  return {"create", [](Stage&) {},
          [](Stage& stage) {
            stage.begin();
            (void)!Book::create("other", options(stage));
          },
          [](Stage& stage) {
            const Result<Book> created = Book::create("other", options(stage));
            EXPECT_TRUE(created || created.error().code == Code::book_exists);
            Result<Book> attached = Book::attach("other", stage.book.directory());
            ASSERT_TRUE(attached) << attached.error().message();
            EXPECT_TRUE(attached->open_session());
            EXPECT_EQ(stage.book.files(), (std::set<std::string>{"casbook.book", "casbook.other"}));
          }};
}

Scenario follow() {
  return {"follow", [](Stage&) {},
          [](Stage& stage) {
            Book book = stage.book.attach();
            stage.begin();
            Result<LogFollower> follower =
                book.follow("auditor", FullPolicy::refuse_payments, true);
            require(static_cast<bool>(follower), "no follower");
            for (int i = 0; i < 5; ++i) require(static_cast<bool>(follower->next()), "no record");
            follower->release();
            follower->remove();
          },
          [](Stage& stage) {
            {
              const BoundedTime bounded("resuming a follower");
              Result<LogFollower> follower =
                  stage.book.book().follow("auditor", FullPolicy::refuse_payments, true);
              ASSERT_TRUE(follower) << follower.error().message();
              EXPECT_TRUE(follower->next());
              follower->remove();
            }
            EXPECT_TRUE(stage.book.book().status().followers.empty());
            for (uint64_t i = 1; i <= kManyPayments; ++i)  // nobody holds the ring any more
              stage.book.settle(stage.book.narrow(i));
          },
          true};
}

Scenario lease_life() {
  return {"lease_life", [](Stage&) {},
          [](Stage& stage) {
            Book book = stage.book.attach();
            Session session = must_open(book);
            stage.begin();
            const auto grant = session.try_acquire("till", {.ttl = stage.ttl});
            if (!grant) return require(!stage.is_patient(), "not granted");
            const auto go_on = [&](bool ok) { require(ok || !stage.is_patient(), "lost"); };
            go_on(static_cast<bool>(session.try_acquire("till", {.ttl = stage.ttl})));  // two
            go_on(static_cast<bool>(session.renew(grant->lease, 2 * stage.ttl)));
            go_on(static_cast<bool>(session.release(grant->lease)));
            go_on(static_cast<bool>(session.release(grant->lease)));
            go_on(static_cast<bool>(session.try_acquire("vault", {.ttl = stage.ttl})));
          },
          [](Stage& stage) {
            stage.book.expect_free("till");
            stage.book.expect_free("vault");
          }};
}

Scenario lease_wait() {
  return {"lease_wait", [](Stage& stage) { stage.held = must_hold(stage.book.session(), "gate"); },
          [](Stage& stage) {
            Book book = stage.book.attach();
            Session session = must_open(book);
            stage.begin();
            const AcquireOptions options{.ttl = hours(1), .wait = milliseconds(25)};
            (void)!session.wait_acquire("gate", options);
          },
          [](Stage& stage) {
            const BoundedTime bounded("releasing what a dead process waits for");
            EXPECT_EQ(stage.book.book().lease("gate")->waiters, 0u) << "the dead wait for nothing";
            EXPECT_TRUE(stage.book.session().release(stage.held));
            stage.book.expect_free("gate");
          }};
}

// The victim releases what another process waits for.
Scenario lease_notify() {
  return {"lease_notify",
          [](Stage& stage) {
            stage.waiter.emplace([&] {
              Book book = stage.book.attach();
              Session session = must_open(book);
              require(await([&] { return static_cast<bool>(book.lease("door")); }), "not held");
              const AcquireOptions options{.ttl = hours(1), .wait = std::chrono::seconds(20)};
              require(static_cast<bool>(session.wait_acquire("door", options)), "not granted");
            });
          },
          [](Stage& stage) {
            Book book = stage.book.attach();
            Session session = must_open(book);
            const Lease door = must_hold(session, "door");
            require(await([&] { return book.lease("door")->waiters == 1; }), "nobody waits");
            sleep_us(3000);  // until it sleeps
            stage.begin();
            (void)!session.release(door);
          },
          [](Stage& stage) {
            {
              const BoundedTime bounded("waiting for a dead process's lease");
              EXPECT_TRUE(stage.waiter->succeeded());
            }
            stage.book.expect_free("door");
          }};
}

void seal_and_open(const Stage& stage, uint64_t epoch) {
  auto mapping = arena::attach(stage.book.directory(), CrashBook::kName, arena::Access::read_write);
  require(static_cast<bool>(mapping), "no mapping");
  const commit::Store store(**mapping);
  commit::Executor executor(store);
  executor.seal(epoch);
  executor.open(epoch + 1);
}

Scenario marks() {
  return {"marks", [](Stage&) {},
          [](Stage& stage) {
            stage.begin();
            seal_and_open(stage, 1);
          },
          [](Stage& stage) {
            {
              const BoundedTime bounded("a payment beside a mark");
              const Result<Receipt> answer = stage.book.session().pay(stage.book.narrow(1));
              EXPECT_TRUE(answer || answer.error().code == Code::book_closed);
            }
            seal_and_open(stage, 1);
            stage.book.settle(stage.book.narrow(1));
            EXPECT_GE(stage.book.book().status().term, 2u);
          },
          true};
}

// An operator that died on the way to a quarantine, or out of it, leaves a book that is the one or
// the other, and the next one goes on from there.
Scenario quarantine() {
  return {"quarantine", [](Stage&) {},
          [](Stage& stage) {
            Book book = stage.book.attach();
            stage.begin();
            require(static_cast<bool>(book.set_quarantine(true)), "not shut");
            require(static_cast<bool>(book.set_quarantine(false)), "not opened");
          },
          [](Stage& stage) {
            Book& book = stage.book.book();
            {
              const BoundedTime bounded("a quarantine after a dead operator's");
              const bool was_on = book.status().quarantined;
              const Result<Receipt> answer = stage.book.session().pay(stage.book.narrow(1));
              // The payer may be who meets the SEAL of the dead and shuts the gate.
              EXPECT_TRUE(!was_on || !answer);
              EXPECT_EQ(!answer, book.status().quarantined);
              EXPECT_TRUE(answer || answer.error().code == Code::quarantined);
              EXPECT_TRUE(book.set_quarantine(true));
              EXPECT_TRUE(book.status().quarantined);
              EXPECT_TRUE(book.set_quarantine(false));
              EXPECT_TRUE(book.status().open);
            }
            stage.book.settle(stage.book.narrow(1));
          },
          true};
}

Scenario audit() {
  return {"audit", [](Stage&) {},
          [](Stage& stage) {
            Book book = stage.book.attach();
            stage.begin();
            const Result<AuditReport> report = book.audit();
            // Stopped while the ring turned over: it has to begin again.
            require(report || report.error().code == Code::overrun, "no audit");
          },
          [](Stage&) {}};
}

}  // namespace

void pay_guarded(Stage& stage, const Payment& payment) {
  Book book = stage.book.attach();
  Session session = must_open(book);
  Payment guarded = payment;
  guarded.guard(must_hold(session, "till", stage.ttl));
  stage.begin();
  (void)!session.pay(guarded);
}

const std::vector<Scenario>& scenarios() {
  static constexpr auto narrow = [](const Stage& stage) { return stage.book.narrow(1); };
  static constexpr auto wide = [](const Stage& stage) { return stage.book.wide(1); };
  static constexpr auto widest = [](const Stage& stage) { return stage.book.widest(1); };
  static const std::vector<Scenario> all = {
      pay_scenario("pay_fast", narrow),
      pay_scenario("pay_slow", wide),
      pay_scenario("pay_widest", widest),
      many_payments(),
      conflict(),
      help_scenario("help_locked", FaultPoint::commit_after_locks, narrow),
      help_scenario("help_claimed", FaultPoint::commit_after_claim, narrow),
      help_scenario("help_half_written", FaultPoint::commit_after_first_word, wide),
      help_scenario("help_agreed", FaultPoint::commit_after_agree, wide),
      take_over(),
      attach(),
      create(),
      follow(),
      lease_life(),
      lease_wait(),
      lease_notify(),
      marks(),
      quarantine(),
      audit(),
  };
  return all;
}

Passages passages_of(const Scenario& scenario) {
  Shared<Passages> passages;
  Stage stage;
  stage.passages = &*passages;
  scenario.prepare(stage);
  Child victim([&] { scenario.act(stage); });
  EXPECT_TRUE(victim.succeeded()) << scenario.name << " does not run through";
  scenario.settle(stage);
  return *passages;
}

}  // namespace casbook::test_support
