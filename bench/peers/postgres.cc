// PostgreSQL, synchronous_commit on: optimistic by a version column, pessimistic by row locks, by
// advisory locks, and the whole payment in a function of the server. One statement, one round trip.
//
// The usual forms look for the id before they note it; the safe forms have it unique, and let the
// server end a transaction that has been idle for the TTL.
#include "peers/designs.h"
#include "peers/pause.h"
#include "peers/postgres_store.h"

namespace casbook::peers {
namespace {

constexpr const char* kPayFunction = R"(
  CREATE FUNCTION pay(payment_id bigint, payer bigint, payee bigint, sum bigint) RETURNS int AS $$
  BEGIN
    INSERT INTO payment VALUES (payment_id, payer, payee, sum);
    PERFORM 1 FROM account WHERE id IN (payer, payee) ORDER BY id FOR UPDATE;
    UPDATE account SET balance = balance - sum WHERE id = payer AND balance >= sum;
    IF NOT FOUND THEN RAISE EXCEPTION 'refused' USING ERRCODE = 'P0001'; END IF;
    UPDATE account SET balance = balance + sum WHERE id = payee;
    RETURN 1;
  END $$ LANGUAGE plpgsql)";

enum class How : uint8_t { version, rows, session_lock, transaction_lock, function };

class Payer : public PostgresCaller {
 public:
  Payer(const About& about, const Shape& shape, How how)
      : PostgresCaller(about.name), how_(how), is_safe_(about.form == Form::safe), shape_(shape) {}

  bool open() {
    return store_.open() && (!is_safe_ || store_.set_limits(shape_)) &&
           store_.prepare(
               "lock_rows",
               "SELECT balance FROM account WHERE id IN ($1, $2) ORDER BY id FOR UPDATE") &&
           store_.prepare("move",
                          "UPDATE account SET balance = $2, version = version + 1 "
                          "WHERE id = $1 AND version = $3") &&
           store_.prepare("lock", "SELECT pg_advisory_lock($1)") &&
           store_.prepare("unlock", "SELECT pg_advisory_unlock($1), pg_advisory_unlock($2)") &&
           store_.prepare("lock_until_commit", "SELECT pg_advisory_xact_lock($1)") &&
           (how_ != How::function || store_.prepare("pay", "SELECT pay($1, $2, $3, $4)"));
  }

  Answer pay(const Transfer& transfer, const StepHook& hook) override {
    switch (how_) {
      case How::version:
        return pay_by_version(transfer, hook);
      case How::function:
        return pay_by_function(transfer, hook);
      case How::session_lock:
        return pay_by_session_lock(transfer, hook);
      default:
        return pay_in_transaction(transfer, hook);
    }
  }
  bool lock_unlock(uint32_t a, uint32_t b) override {
    switch (how_) {
      case How::version:
      case How::function:
        return false;
      case How::session_lock:
        return lock_session(a, b) && unlock_session(a, b);
      default:
        return store_.is_done("begin") && lock_in_transaction(a, b) && store_.is_done("commit");
    }
  }

 private:
  // Of the payer and the payee, in the order of their numbers as the rows come.
  static int64_t of_payer(const Rows& rows, const Transfer& transfer, size_t field = 0) {
    return rows.values[transfer.from < transfer.to ? 0 : 1][field];
  }
  static int64_t of_payee(const Rows& rows, const Transfer& transfer, size_t field = 0) {
    return rows.values[transfer.from < transfer.to ? 1 : 0][field];
  }

  // --- by version: nothing is locked until the transaction at its end

  Answer pay_by_version(const Transfer& transfer, const StepHook& hook) {
    hook(Step::locked);
    StepHook once = hook;
    for (Polling polling(shape_.patience_ms);;) {
      const Answer answer = try_by_version(transfer, hook, once);
      if (answer != Answer::busy || !polling.wait()) return answer;
      once = {};
    }
  }
  Answer try_by_version(const Transfer& transfer, const StepHook& hook, const StepHook& first) {
    if (store_.is_noted(transfer.id)) return Answer::replayed;
    const Rows seen = store_.ask("both", {transfer.from, transfer.to});
    if (!seen.has(2)) return Answer::failed;
    const int64_t from = of_payer(seen, transfer), to = of_payee(seen, transfer);
    if (from < transfer.amount) return Answer::refused;
    first(Step::checked);
    if (!store_.is_done("begin")) return Answer::failed;
    // In the order of the numbers, else two of them end in a deadlock.
    const bool is_payer_first = transfer.from < transfer.to;
    for (const bool is_payer : {is_payer_first, !is_payer_first}) {
      const Rows moved = is_payer ? store_.ask("move", {transfer.from, from - transfer.amount,
                                                        of_payer(seen, transfer, 1)})
                                  : store_.ask("move", {transfer.to, to + transfer.amount,
                                                        of_payee(seen, transfer, 1)});
      if (!moved.is_done) return store_.give_up(unsuccessful(moved));
      if (moved.changed != 1) return store_.give_up(Answer::busy);
      if (is_payer == is_payer_first) first(Step::half_moved);
    }
    hook(Step::moved);
    return note_and_commit(transfer, hook);
  }

  // --- by row locks, or by advisory locks that end with the transaction

  bool lock_in_transaction(uint32_t a, uint32_t b, Rows* rows = nullptr) {
    if (a > b) std::swap(a, b);
    Rows seen;
    if (how_ == How::rows) {
      seen = store_.ask("lock_rows", {a, b});
    } else {
      seen = store_.ask("lock_until_commit", {a});
      if (seen.is_done) seen = store_.ask("lock_until_commit", {b});
    }
    if (rows) *rows = seen;
    return seen.is_done;
  }
  Answer pay_in_transaction(const Transfer& transfer, const StepHook& hook) {
    if (!store_.is_done("begin")) return Answer::failed;
    Rows seen;
    if (!lock_in_transaction(transfer.from, transfer.to, &seen))
      return store_.give_up(unsuccessful(seen));
    hook(Step::locked);
    if (store_.is_noted(transfer.id)) return store_.give_up(Answer::replayed);
    if (how_ != How::rows) seen = store_.ask("both", {transfer.from, transfer.to});
    if (!seen.has(2)) return store_.give_up(Answer::failed);
    if (of_payer(seen, transfer) < transfer.amount) return store_.give_up(Answer::refused);
    hook(Step::checked);
    if (!store_.is_done("add", {transfer.from, -transfer.amount}))
      return store_.give_up(Answer::failed);
    hook(Step::half_moved);
    if (!store_.is_done("add", {transfer.to, transfer.amount}))
      return store_.give_up(Answer::failed);
    hook(Step::moved);
    return note_and_commit(transfer, hook);
  }
  Answer note_and_commit(const Transfer& transfer, const StepHook& hook) {
    if (const Rows noted = store_.note(transfer); !noted.is_done)
      return store_.give_up(unsuccessful(noted));
    hook(Step::noted);
    return store_.is_done("commit") ? Answer::paid : Answer::failed;
  }
  static Answer unsuccessful(const Rows& rows) {
    if (rows.state == kUniqueViolation) return Answer::replayed;
    return rows.state == kLockNotAvailable ? Answer::busy : Answer::failed;
  }

  // --- by advisory locks of the session, each statement a transaction

  bool lock_session(uint32_t a, uint32_t b) {
    return store_.is_done("lock", {std::min(a, b)}) && store_.is_done("lock", {std::max(a, b)});
  }
  bool unlock_session(uint32_t a, uint32_t b) { return store_.is_done("unlock", {a, b}); }
  Answer pay_by_session_lock(const Transfer& transfer, const StepHook& hook) {
    if (!lock_session(transfer.from, transfer.to)) return Answer::failed;
    const Answer answer = pay_under_session_lock(transfer, hook);
    return unlock_session(transfer.from, transfer.to) ? answer : Answer::failed;
  }
  Answer pay_under_session_lock(const Transfer& transfer, const StepHook& hook) {
    hook(Step::locked);
    if (store_.is_noted(transfer.id)) return Answer::replayed;
    const Rows seen = store_.ask("both", {transfer.from, transfer.to});
    if (!seen.has(2)) return Answer::failed;
    const int64_t from = of_payer(seen, transfer), to = of_payee(seen, transfer);
    if (from < transfer.amount) return Answer::refused;
    hook(Step::checked);
    if (!store_.is_done("set", {transfer.from, from - transfer.amount})) return Answer::failed;
    hook(Step::half_moved);
    if (!store_.is_done("set", {transfer.to, to + transfer.amount})) return Answer::failed;
    hook(Step::moved);
    if (!store_.note(transfer).is_done) return Answer::failed;
    hook(Step::noted);
    return Answer::paid;
  }

  // --- whole, in the server

  Answer pay_by_function(const Transfer& transfer, const StepHook& hook) {
    hook(Step::locked);
    hook(Step::checked);
    hook(Step::half_moved);
    const Rows paid = store_.ask(
        "pay", {static_cast<int64_t>(transfer.id), transfer.from, transfer.to, transfer.amount});
    if (paid.state == kRaised) return Answer::refused;
    if (!paid.is_done) return unsuccessful(paid);
    hook(Step::moved);
    hook(Step::noted);
    return Answer::paid;
  }

  How how_;
  bool is_safe_;
  const Shape& shape_;
};

About about_of(How how, Form form) {
  About about{.group = Group::database,
              .form = form,
              .is_durable = true,
              .has_lock = how != How::version && how != How::function,
              .uses_ttl = form == Form::safe && how != How::function,
              .floor = "one round trip (SELECT 1)",
              .store = "the same PostgreSQL"};
  const bool is_safe = form == Form::safe;
  about.death = is_safe ? "the server, when the connection closes, or is idle in a transaction for "
                          "the TTL"
                        : "the server, when the connection closes; a stopped holder's locks stay";
  switch (how) {
    case How::version:
      about.name = is_safe ? "postgres-version-unique" : "postgres-version";
      about.work = is_safe ? "as postgres-version, the id unique"
                           : "id, balances and versions read; both rows updated if the versions "
                             "still hold, in one transaction, again where they do not";
      break;
    case How::rows:
      about.name = is_safe ? "postgres-rows-unique" : "postgres-rows";
      about.work = is_safe ? "as postgres-rows, the id unique, timeouts set"
                           : "SELECT FOR UPDATE of both rows, in one transaction with the rest";
      break;
    case How::session_lock:
      about.name = "postgres-advisory";
      about.work = "advisory locks of the session, each statement a transaction of its own";
      break;
    case How::transaction_lock:
      about.name = "postgres-advisory-transaction";
      about.work =
          "advisory locks of the transaction that does the rest, the id unique, timeouts set";
      break;
    case How::function:
      about.name = "postgres-function";
      about.work = "the whole payment in a function of the server, the id unique";
      about.death = "nobody has to: the function runs whole";
      break;
  }
  return about;
}

class Postgres : public Design {
 public:
  Postgres(How how, Form form) : Design(about_of(how, form)), how_(how) {}
  ~Postgres() override {
    if (is_made_by_ == getpid()) PostgresStore(about().name).drop();
  }

  std::unique_ptr<Caller> connect() override {
    auto caller = std::make_unique<Payer>(about(), shape(), how_);
    if (!caller->open()) return nullptr;
    return caller;
  }

 private:
  std::string make() override {
    is_made_by_ = getpid();
    PostgresStore store(about().name);
    std::string why = store.make(shape(), about().form == Form::safe);
    if (why.empty() && !store.run(kPayFunction)) why = "the function could not be made";
    return why;
  }

  How how_;
  pid_t is_made_by_ = 0;
};

}  // namespace

std::unique_ptr<Design> make_postgres_version() {
  return std::make_unique<Postgres>(How::version, Form::usual);
}
std::unique_ptr<Design> make_postgres_version_unique() {
  return std::make_unique<Postgres>(How::version, Form::safe);
}
std::unique_ptr<Design> make_postgres_rows() {
  return std::make_unique<Postgres>(How::rows, Form::usual);
}
std::unique_ptr<Design> make_postgres_rows_unique() {
  return std::make_unique<Postgres>(How::rows, Form::safe);
}
std::unique_ptr<Design> make_postgres_advisory() {
  return std::make_unique<Postgres>(How::session_lock, Form::usual);
}
std::unique_ptr<Design> make_postgres_advisory_transaction() {
  return std::make_unique<Postgres>(How::transaction_lock, Form::safe);
}
std::unique_ptr<Design> make_postgres_function() {
  return std::make_unique<Postgres>(How::function, Form::safe);
}

}  // namespace casbook::peers
