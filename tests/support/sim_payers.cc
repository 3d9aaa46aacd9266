#include "support/sim_payers.h"

#include <algorithm>

#include "api/book_impl.h"
#include "base/probe.h"
#include "book/book_time.h"
#include "log/durable.h"
#include "log/log_reader.h"
#include "log/terms.h"

namespace casbook::test {

namespace {

constexpr int64_t kPollNs = 4 * kSimMs;
constexpr int64_t kPatienceNs = 400 * kSimMs;
constexpr int64_t kSleepNs = 1500 * kSimMs;
constexpr const char* kLease = "till";

AccountId account_name(uint32_t index) {
  return {*ExternalId::parse("account " + std::to_string(index))};
}

// The one payer that is being stopped: hooks are plain functions.
struct Sleeper {
  Coroutine* coroutine = nullptr;
  uint64_t accesses_left = 0;
};
Sleeper sleeper;

void count_access(const void*) {
  if (sleeper.coroutine == nullptr || --sleeper.accesses_left != 0) return;
  sleeper.coroutine->suspend();
}

}  // namespace

struct SimPayers::Place {
  explicit Place(const std::shared_ptr<api::Core>& shared, Session opened)
      : core(shared), session(std::move(opened)) {}
  std::shared_ptr<api::Core> core;
  Session session;
  std::vector<Account> accounts;

  const commit::Store& store() const { return core->store; }
  arena::ReplicationLines& lines() const { return store().mapping().replication(); }
  bool is_retired() const { return lines().retired.load_relaxed() != 0; }
  bool find_accounts() {
    if (!accounts.empty()) return true;
    std::vector<Account> found;
    for (uint32_t i = 0; i < kSimAccounts; ++i) {
      auto account = core->accounts.find(account_name(i));
      if (!account) return false;
      found.push_back(*account);
    }
    accounts = std::move(found);
    return true;
  }
};

struct SimPayers::Client {
  enum class Doing { idle, setting_up, sending, sleeping, waiting, confirming };
  explicit Client(uint64_t n) : number(n) {}
  SimWho who() const { return {'c', number}; }

  const uint64_t number;
  Doing doing = Doing::idle;
  uint64_t at = 1;  // the node where it tries
  std::map<uint64_t, std::shared_ptr<Place>> places;
  // The payment.
  uint64_t id = 0;
  uint32_t from = 0, to = 0;
  Amount amount = 0;
  Level level = Level::durable;
  std::optional<Lease> guard;
  int64_t begun_ns = 0;
  // Its answer, and until when its safety is waited for.
  std::optional<Result<Receipt>> answer;
  Position position;
  Code refusal{};
  int64_t until_ns = 0;
  // Stopped in the middle of it.
  std::unique_ptr<Coroutine> coroutine;
  std::shared_ptr<Place> sleeps_in;
  // A lease, and a question.
  std::optional<Lease> lease;
  uint64_t lease_node = 0;
  uint32_t lease_payments = 0;
  std::shared_ptr<api::Core> asked_of;
  uint64_t asked = 0;
  Position known;
  uint64_t set_up_end = 0;
};

SimPayers::SimPayers(SimEvents& events, SimTruth& truth,
                     std::vector<std::unique_ptr<SimNode>>& nodes, const SimPayersOptions& options)
    : events_(events), truth_(truth), nodes_(nodes), options_(options), random_(options.seed) {
  for (uint64_t i = 1; i <= options.clients; ++i) clients_.push_back(std::make_unique<Client>(i));
}

SimPayers::~SimPayers() = default;

void SimPayers::begin() {
  for (auto& client : clients_)
    events_.after(some(options_.pause_ns), [this, &client] { step(*client); });
}

bool SimPayers::is_idle() const {
  for (const auto& client : clients_)
    if (client->id != 0 || client->doing != Client::Doing::idle) return false;
  return true;
}

int64_t SimPayers::first_durable_since(int64_t ns) const {
  for (const SimAnswer& answer : answers_)
    if (answer.level == Level::durable && answer.sent_ns >= ns) return answer.at_ns;
  return 0;
}

void SimPayers::step(Client& client) {
  if (client.doing == Client::Doing::sleeping) return;  // its waking goes on
  node(client.at).enter();
  act(client);
  const bool is_polling = client.doing == Client::Doing::waiting ||
                          client.doing == Client::Doing::confirming ||
                          client.doing == Client::Doing::setting_up;
  const int64_t pause = is_polling ? kPollNs : options_.pause_ns / 2 + some(options_.pause_ns);
  if (client.doing != Client::Doing::sleeping)
    events_.after(pause, [this, &client] { step(client); });
}

void SimPayers::act(Client& client) {
  using Doing = Client::Doing;
  switch (client.doing) {
    case Doing::idle:
      if (!is_set_up_) {
        if (client.number == 1) set_up(client);
        return;
      }
      if (client.id == 0) choose_payment(client);
      if (client.doing == Doing::sending) send(client);
      return;
    case Doing::setting_up:
      set_up(client);
      return;
    case Doing::sending:
      return send(client);
    case Doing::waiting:
      return poll(client);
    case Doing::confirming:
      return poll_confirmed(client);
    case Doing::sleeping:
      return;
  }
}

// --- places ---

SimPayers::Place* SimPayers::place_of(Client& client, uint64_t id) {
  SimNode& host = node(id);
  if (!host.is_powered()) return nullptr;
  std::shared_ptr<api::Core>& core = cores_[id];
  if (core && core->store.mapping().replication().retired.load_relaxed() != 0) core = nullptr;
  if (!core) {
    auto opened = api::open_core(host.directory(), SimBook::kName, arena::Access::read_write);
    if (!opened) {
      events_.say(client.who(), [&] { return opened.error().message(); });
      return nullptr;
    }
    core = std::move(*opened);
  }
  std::shared_ptr<Place>& place = client.places[id];
  if (!place || place->core != core) {
    auto session = BookAccess::wrap(core).open_session();
    if (!session) {
      truth_.fail("a session cannot be opened: " + session.error().message());
      return nullptr;
    }
    place = std::make_shared<Place>(core, std::move(*session));
  }
  return place.get();
}

bool SimPayers::is_refused(const Place& place) const {
  return place.is_retired() ||
         place.lines().leading_until_ns.load_relaxed() <= static_cast<uint64_t>(events_.now());
}

void SimPayers::go_elsewhere(Client& client) {
  const auto place = client.places.find(client.at);
  uint64_t leader = 0;
  if (place != client.places.end() && place->second)
    leader = place->second->lines().leader.load_relaxed();
  const bool is_hint_taken = leader != 0 && leader <= nodes_.size() && !random_.one_in(4);
  client.at = is_hint_taken ? leader : 1 + random_.below(nodes_.size());
  client.doing = client.id != 0 ? Client::Doing::sending : Client::Doing::idle;
}

void SimPayers::lose_host(uint64_t id) {
  cores_.erase(id);
  for (auto& client : clients_) {
    const auto found = client->places.find(id);
    if (found == client->places.end()) continue;
    if (client->sleeps_in && client->sleeps_in == found->second) {
      client->coroutine.reset(), client->sleeps_in.reset();
      go_elsewhere(*client);
      events_.after(options_.pause_ns, [this, &client] { step(*client); });
    }
    client->places.erase(id);
  }
}

// By the layer below: a session waits, in real time, until what it opens is in a majority's memory.
bool SimPayers::open_all(const Place& place) {
  const auto slot = place.core->attachment->open_session();
  if (!slot) return false;
  log::LogWriter writer(place.store(), *slot);
  const int64_t now_ms = book::book_time_ms(place.store());
  bool is_done = place.core->accounts.open_ledger(writer, "EUR", 2, now_ms).operator bool();
  for (uint32_t i = 0; i < kSimAccounts && is_done; ++i) {
    AccountOptions options{.ledger = "EUR"};
    if (i != 0) options.limits.min_available = 0;
    is_done = place.core->accounts.open(writer, account_name(i), options, now_ms).operator bool();
  }
  place.core->attachment->close_session(*slot);
  return is_done;
}

bool SimPayers::set_up(Client& client) {
  Place* const place = place_of(client, client.at);
  client.doing = Client::Doing::idle;
  if (!place || is_refused(*place)) return go_elsewhere(client), false;
  if (client.set_up_end != 0 && client.asked_of == place->core) {
    if (log::durable_position(place->store()).lsn() >= client.set_up_end) is_set_up_ = true;
    client.doing = is_set_up_ ? Client::Doing::idle : Client::Doing::setting_up;
    if (is_set_up_) client.asked_of.reset();
    return is_set_up_;
  }
  const bool is_done = open_all(*place);
  if (!is_done) return go_elsewhere(client), false;
  client.set_up_end = log::log_end(place->store()) - 1;
  client.asked_of = place->core;
  client.doing = Client::Doing::setting_up;
  node(client.at).demand();
  return false;
}

// --- paying ---

void SimPayers::choose_payment(Client& client) {
  if (is_finishing_ || next_id_ - 1000 >= options_.payments_max + allowed_) return;
  if (client.number == clients_.size() || random_.one_in(8)) return begin_confirming(client);
  if (options_.take_leases && client.number % 2 == 1) tend_lease(client);
  client.id = ++next_id_;
  client.from = random_.one_in(2) ? 0 : static_cast<uint32_t>(random_.below(kSimAccounts));
  client.to =
      (client.from + 1 + static_cast<uint32_t>(random_.below(kSimAccounts - 1))) % kSimAccounts;
  client.amount = static_cast<Amount>(1 + random_.below(client.from == 0 ? 500 : 200));
  client.level = random_.one_in(3) ? Level::quorum : Level::durable;
  client.guard = {};
  if (client.lease) {
    client.guard = client.lease, client.at = client.lease_node;
    truth_.expect_guard(client.id, *client.guard);
  }
  client.begun_ns = events_.now();
  client.doing = Client::Doing::sending;
}

void SimPayers::send(Client& client) {
  Place* const place = place_of(client, client.at);
  if (!place || is_refused(*place) || !place->find_accounts()) return go_elsewhere(client);
  ++counts_.sent;
  if (options_.have_sleepers && random_.one_in(24)) return sleep(client, 1 + random_.below(140));
  Payment payment(PaymentId{ExternalId::of_number(client.id)});
  payment.debit(place->accounts[client.from], client.amount)
      .credit(place->accounts[client.to], client.amount);
  if (client.guard) payment.guard(*client.guard);
  client.answer = place->session.pay(payment);
  take_answer(client);
}

void SimPayers::sleep(Client& client, uint64_t accesses) {
  ++counts_.slept;
  client.doing = Client::Doing::sleeping;
  client.sleeps_in = client.places[client.at];
  client.answer = {};
  client.coroutine = std::make_unique<Coroutine>([&client] {
    Place& place = *client.sleeps_in;
    Payment payment(PaymentId{ExternalId::of_number(client.id)});
    payment.debit(place.accounts[client.from], client.amount)
        .credit(place.accounts[client.to], client.amount);
    if (client.guard) payment.guard(*client.guard);
    client.answer = place.session.pay(payment);
  });
  sleeper = {client.coroutine.get(), accesses};
  base::probes.access = count_access;
  client.coroutine->resume();
  base::probes.access = nullptr;
  sleeper = {};
  if (client.coroutine->is_done()) {
    client.coroutine.reset(), client.sleeps_in.reset();
    return take_answer(client);
  }
  events_.note(client.who(), "sleeps in payment", client.id, client.at);
  const int64_t ns = random_.one_in(2) ? some(20 * kSimMs) : some(kSleepNs);
  events_.after(ns, [this, &client, coroutine = client.coroutine.get()] {
    if (client.coroutine.get() == coroutine) wake(client);
  });
}

void SimPayers::wake(Client& client) {
  node(client.at).enter();
  events_.note(client.who(), "wakes in payment", client.id, client.sleeps_in->is_retired());
  const commit::Store& store = client.sleeps_in->store();
  const auto role = static_cast<arena::ReplicaRole>(client.sleeps_in->lines().role.load_relaxed());
  const uint64_t end = log::log_end(store);
  client.coroutine->resume();
  if (role == arena::ReplicaRole::sealed && log::log_end(store) > end)
    truth_.fail("payment " + std::to_string(client.id) + " was committed in an arena that node " +
                std::to_string(client.at) + " had sealed");
  client.coroutine.reset(), client.sleeps_in.reset();
  client.doing = Client::Doing::sending;
  take_answer(client);
  events_.after(kPollNs, [this, &client] { step(client); });
}

void SimPayers::take_answer(Client& client) {
  const Result<Receipt> answer = *std::exchange(client.answer, {});
  if (!answer) events_.note(client.who(), code_name(answer.error().code), client.id, client.at);
  client.refusal = {};
  if (answer) {
    counts_.replayed += answer->replayed;
    client.position = answer->position;
    if (!answer->replayed) tell_token(client.position);
  } else {
    const Error& error = answer.error();
    switch (error.code) {
      case Code::insufficient_available:
        client.position = {error.position}, client.refusal = error.code;
        break;
      case Code::lease_missing:
      case Code::lease_superseded:
        client.lease = {}, client.id = 0;  // nothing is known of earlier tries, nothing claimed
        return go_elsewhere(client);
      case Code::payment_conflict:
      case Code::damaged:
      case Code::quarantined:
        if (error.code == Code::quarantined && options_.expect_quarantines)
          return go_elsewhere(client);
        truth_.fail("payment " + std::to_string(client.id) + ": " + error.message());
        [[fallthrough]];
      default:
        return go_elsewhere(client);
    }
  }
  events_.note(client.who(), client.refusal == Code{} ? "paid" : "was refused", client.id,
               client.position.value);
  client.until_ns = events_.now() + kPatienceNs;
  client.doing = Client::Doing::waiting;
  wait_on(client, place_of(client, client.at));
}

// As api/wait.cc: the daemon is told, and sees what is waited for.
void SimPayers::wait_on(const Client& client, const Place* place) {
  if (place)
    (void)arena::prepare_wait(place->store().own_event(
        client.level == Level::durable ? arena::kDurableEvent : arena::kQuorumEvent));
  node(client.at).demand();
}

// Before the standing: what was reached when the position was held, was reached by that commit.
std::optional<Code> SimPayers::fate_of(const Place& place, Position position, Level level) const {
  Position word = log::durable_position(place.store());
  if (level == Level::quorum && log::quorum_position(place.store()).lsn() > word.lsn())
    word = log::quorum_position(place.store());
  const bool is_reached = position.lsn() <= word.lsn();
  if (options_.bug == SimBug::positions_without_term)
    return is_reached ? std::optional(Code{}) : std::nullopt;
  switch (log::standing_of(place.store(), position)) {
    case log::Standing::undone:
      return Code::undone;
    case log::Standing::unknown:
      return Code::outcome_unknown;
    case log::Standing::held:
      break;
  }
  return is_reached ? std::optional(Code{}) : std::nullopt;
}

void SimPayers::poll(Client& client) {
  const Place* const place = place_of(client, client.at);
  const auto fate = place ? fate_of(*place, client.position, client.level) : std::nullopt;
  if (!fate && events_.now() < client.until_ns) return wait_on(client, place);
  if (fate && *fate == Code{}) return settle(client, client.refusal);
  if (fate && *fate == Code::undone) {
    ++counts_.undone;
    events_.note(client.who(), "was told undone", client.id, client.position.value);
    truth_.told_undone(client.position);
  } else {
    ++counts_.unknown;
  }
  go_elsewhere(client);
}

void SimPayers::settle(Client& client, Code refusal) {
  events_.note(client.who(), client.level == Level::durable ? "has durable" : "has quorum",
               client.id, client.position.value);
  answers_.push_back({.id = client.id,
                      .position = client.position,
                      .level = client.level,
                      .refusal = refusal,
                      .at_ns = events_.now(),
                      .sent_ns = client.begun_ns});
  if (client.level == Level::durable && !node(client.at).is_blind())
    truth_.told_durable(client.position);
  counts_.guarded += client.guard && refusal == Code{};
  client.id = 0;
  client.doing = Client::Doing::idle;
}

// --- leases ---

// The position of a commit that this client made.
void SimPayers::tell_token(Position position) {
  const bool is_cut = options_.bug == SimBug::tokens_without_term;
  truth_.told_token(is_cut ? Position{position.lsn()} : position);
}

void SimPayers::tend_lease(Client& client) {
  if (client.lease) {
    if (++client.lease_payments < 4) return;
    if (Place* const place = place_of(client, client.lease_node); place && !is_refused(*place))
      (void)!place->session.release(*client.lease);
    client.lease = {};
    return;
  }
  if (!random_.one_in(3)) return;
  Place* const place = place_of(client, client.at);
  if (!place || is_refused(*place)) return;
  const uint64_t operation = ++next_id_;
  const auto grant = place->session.try_acquire(
      kLease, {.ttl = std::chrono::milliseconds(200 + random_.below(1500)),
               .owner_id = operation,
               .operation_id = operation});
  if (!grant) return;
  events_.note(client.who(), "has the lease", grant->lease.token.value);
  tell_token(grant->lease.token);
  client.lease = grant->lease, client.lease_node = client.at, client.lease_payments = 0;
}

// --- linearizable reads ---

void SimPayers::begin_confirming(Client& client) {
  Place* const place = place_of(client, client.at);
  if (!place || is_refused(*place)) return go_elsewhere(client);
  base::AtomicU64& asked = place->lines().confirm_asked;
  client.asked = asked.load_acquire() + 1;
  (void)asked.cas_acq_rel(client.asked - 1, client.asked);
  client.asked_of = place->core;
  client.known = truth_.end();
  client.until_ns = events_.now() + kPatienceNs;
  client.doing = Client::Doing::confirming;
  node(client.at).demand();
}

void SimPayers::poll_confirmed(Client& client) {
  const commit::Store& store = client.asked_of->store;
  const bool is_over =
      store.mapping().replication().retired.load_relaxed() != 0 || events_.now() >= client.until_ns;
  const bool is_confirmed = store.mapping().replication().confirmed.load_acquire() >= client.asked;
  if (!is_confirmed && !is_over) return;
  client.doing = Client::Doing::idle;
  if (is_confirmed) {
    ++counts_.confirmed;
    const bool is_stale =
        client.known.value != 0 && (log::log_end(store) <= client.known.lsn() ||
                                    log::standing_of(store, client.known) != log::Standing::held);
    if (is_stale)
      truth_.fail("a read on node " + std::to_string(client.at) +
                  " was confirmed that does not show what was committed before it was asked for");
  }
  client.asked_of.reset();
}

}  // namespace casbook::test
