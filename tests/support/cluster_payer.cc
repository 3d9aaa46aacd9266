#include "support/cluster_payer.h"

#include <algorithm>
#include <cstdio>

#include "support/child_process.h"

namespace casbook::test_support {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 300ms;
constexpr auto kLeaseTtl = 200ms;
constexpr int64_t kNapUs = 2000;
constexpr int64_t kPauseUs = 300;  // at least: the window of ids is not to be filled
constexpr uint64_t kPaymentsPerGrant = 16;

// What a payer may be told while leaders come and go. It tries again.
bool is_to_be_expected(Code code) {
  switch (code) {
    case Code::not_leader:
    case Code::book_closed:
    case Code::quarantined:
    case Code::backpressure:
    case Code::level_unavailable:
    case Code::outcome_unknown:
    case Code::undone:
    case Code::book_moved:
    case Code::lease_held:
    case Code::lease_missing:
    case Code::lease_superseded:
    case Code::lease_expired:
    case Code::ledger_missing:  // opened on a leader, and not here yet
    case Code::account_missing:
      return true;
    default:
      return false;
  }
}

class Payer {
 public:
  Payer(uint32_t host, Book& book, Session session, ClusterTruth& truth)
      : host_(host), book_(book), session_(std::move(session)), truth_(truth) {}

  // Until the book is to be attached anew.
  void run() {
    for (uint64_t turn = 0; truth_.must_stop == 0; ++turn) {
      if (!has_accounts_ && !find_accounts()) return;
      const bool goes_on = turn % kPaymentsPerGrant == 0 ? take_lease() : true;
      if (!goes_on || !pay_for(static_cast<uint32_t>(turn % kClients))) return;
    }
  }

 private:
  bool find_accounts() {
    for (uint32_t client = 0; client <= kClients; ++client) {
      const AccountId id = client < kClients ? client_account_id(client) : world_account_id();
      auto account = book_.find_account(id);
      if (!account && !open_accounts()) return false;
      if (!account) account = book_.find_account(id);
      if (!account) return false;
      accounts_[client] = *account;
    }
    return has_accounts_ = true;
  }
  bool open_accounts() {
    if (!session_.open_ledger("CZK", 2)) return false;
    for (uint32_t client = 0; client < kClients; ++client)
      if (!session_.open_account(client_account_id(client),
                                 {.ledger = "CZK", .limits = {.min_available = 0}}))
        return false;
    return static_cast<bool>(session_.open_account(world_account_id(), {.ledger = "CZK"}));
  }

  // False: look at the book anew.
  bool pay_for(uint32_t client) {
    ClientTruth& own = truth_.clients[client];
    const uint64_t number = own.reached + 1;
    if (number >= kNumbersMax) return true;
    raise(own.begun, number);
    Payment payment(payment_id(client, number));
    payment.debit(accounts_[kClients], 1).credit(accounts_[client], 1);
    const Result<Receipt> answer = pay(client, number, payment);
    if (!answer) return note(answer.error());
    const uint64_t position = answer->position.value;
    uint64_t none = 0;
    if (!own.positions[number].compare_exchange_strong(none, position) && none != position)
      truth_.note_lie(Lie::two_positions);
    raise(own.reached, number);
    if (truth_.last_leader.exchange(host_) != host_) ++truth_.leader_changes;
    sleep_us(std::max<int64_t>(kPauseUs, static_cast<int64_t>(truth_.pause_us.load())));
    return true;
  }
  Result<Receipt> pay(uint32_t client, uint64_t number, const Payment& payment) {
    if (kind_of(client) == ClientKind::durable)
      return session_.pay(payment, Level::durable, kPatience);
    if (kind_of(client) == ClientKind::quorum)
      return session_.pay(payment, Level::quorum, kPatience);
    auto receipt = session_.pay(payment);
    if (!receipt) return receipt;
    const auto reached = book_.wait(receipt->position, Level::durable, kPatience);
    if (reached) return receipt;
    if (reached.error().code == Code::undone) note_undone(client, number, receipt->position);
    return reached.error();
  }
  void note_undone(uint32_t client, uint64_t number, Position position) {
    const uint64_t index = truth_.undone_count++;
    if (index >= kUndoneMax) return;
    truth_.undone[index].client = client;
    truth_.undone[index].number = number;
    truth_.undone[index].position = position.value;
  }
  bool note(const Error& error) {
    if (error.code == Code::not_leader) ++truth_.not_leader;
    if (error.code == Code::outcome_unknown) ++truth_.unknown;
    if (!is_to_be_expected(error.code)) {
      truth_.note_lie(Lie::not_to_be_expected);
      std::fprintf(stderr, "payer on host %u: %s\n", host_, error.message().c_str());
    }
    return error.code == Code::outcome_unknown || error.code == Code::backpressure;
  }

  // A token is held against those that were durable before it was asked for.
  bool take_lease() {
    const uint64_t known = truth_.token;
    const auto grant = session_.try_acquire(
        "chaos", {.ttl = kLeaseTtl, .owner_id = (uint64_t{host_} << 32) + ++attempts_});
    if (!grant) return grant.error().code == Code::lease_held || note(grant.error());
    const Position token = grant->lease.token;
    if (book_.wait(token, Level::durable, kPatience)) {
      if (token.value == known) truth_.note_lie(Lie::token_twice);
      if (token.value < known) truth_.note_lie(Lie::token_fell);
      raise(truth_.token, token.value);
      ++truth_.grants;
    }
    (void)session_.release(grant->lease);
    return true;
  }

  const uint32_t host_;
  Book& book_;
  Session session_;
  ClusterTruth& truth_;
  std::array<Account, kClients + 1> accounts_{};  // the last is the world's
  bool has_accounts_ = false;
  static inline uint64_t attempts_ = 0;
};

}  // namespace

void pay_on_host(uint32_t host, const std::string& book_name, ClusterTruth& truth) {
  for (; truth.must_stop == 0; sleep_us(kNapUs)) {
    auto book = Book::attach(book_name);
    if (!book) continue;
    auto session = book->open_session();
    if (session) Payer(host, *book, std::move(*session), truth).run();
  }
}

bool await_progress(const ClusterTruth& truth, uint64_t payments, int seconds) {
  std::array<uint64_t, kClients> before;
  for (uint32_t client = 0; client < kClients; ++client)
    before[client] = truth.clients[client].reached;
  return await(
      [&] {
        for (uint32_t client = 0; client < kClients; ++client)
          if (truth.clients[client].reached < before[client] + payments) return false;
        return true;
      },
      seconds);
}

}  // namespace casbook::test_support
