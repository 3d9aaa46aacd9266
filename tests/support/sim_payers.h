// Those who pay on the hosts of a simulated cluster. A client has one payment at a time and sends
// it, under the same id, to whichever host leads, until it knows what became of it at the level
// that it wants. What it was told it keeps: at the end, or when it is contradicted, that is held
// against the books.
//
// Some of the clients hold a lease while they pay. Some are stopped in the middle of a payment, at
// any access to shared memory, and go on when the arena may have been retired long ago.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include <casbook/book.h>
#include <casbook/session.h>

#include "support/coroutine.h"
#include "support/sim_node.h"

namespace casbook::test {

constexpr uint32_t kSimAccounts = 6;

struct SimPayersOptions {
  uint64_t seed = 1, payments_max = 600;
  uint64_t clients = 5;            // the last of them only reads
  int64_t pause_ns = 20 * kSimMs;  // between payments, at random up to twice that
  bool have_sleepers = true, take_leases = true;
  bool expect_quarantines = false;  // else nobody may be told of one
  SimBug bug = SimBug::none;
};

// What a client was told of one payment.
struct SimAnswer {
  uint64_t id = 0;
  Position position;
  Level level = Level::memory;
  Code refusal{};  // of one that is recorded
  int64_t at_ns = 0, sent_ns = 0;
};

class SimPayers {
 public:
  SimPayers(SimEvents& events, SimTruth& truth, std::vector<std::unique_ptr<SimNode>>& nodes,
            const SimPayersOptions& options);
  ~SimPayers();

  void begin();
  // So many more than was said.
  void allow(uint64_t payments) { allowed_ += payments; }
  // Nobody begins another payment.
  void finish() { is_finishing_ = true; }
  // All know what became of theirs.
  bool is_idle() const;
  // The host lost its memory: whoever paid there is gone with it.
  void lose_host(uint64_t node);

  const std::vector<SimAnswer>& answers() const { return answers_; }
  // When the first payment that began at or after `ns` was durable; 0: none is.
  int64_t first_durable_since(int64_t ns) const;
  struct Counts {
    uint64_t sent = 0, replayed = 0, undone = 0, unknown = 0, slept = 0, confirmed = 0, guarded = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Place;  // a client's session in one arena
  struct Client;

  void step(Client& client);
  void act(Client& client);
  void choose_payment(Client& client);
  void send(Client& client);
  void sleep(Client& client, uint64_t accesses);
  void wake(Client& client);
  void take_answer(Client& client);
  void poll(Client& client);
  void settle(Client& client, Code refusal);
  void go_elsewhere(Client& client);
  void begin_confirming(Client& client);
  void poll_confirmed(Client& client);
  void tend_lease(Client& client);
  void tell_token(Position position);
  bool set_up(Client& client);
  static bool open_all(const Place& place);
  // Null: nobody can pay there now.
  Place* place_of(Client& client, uint64_t node);
  void wait_on(const Client& client, const Place* place);
  bool is_refused(const Place& place) const;
  // Nothing: it is not decided.
  std::optional<Code> fate_of(const Place& place, Position position, Level level) const;
  int64_t some(int64_t ns) {
    return static_cast<int64_t>(random_.below(static_cast<uint64_t>(ns) + 1));
  }
  SimNode& node(uint64_t id) { return *nodes_[id - 1]; }

  SimEvents& events_;
  SimTruth& truth_;
  std::vector<std::unique_ptr<SimNode>>& nodes_;
  const SimPayersOptions options_;
  Random random_;
  std::map<uint64_t, std::shared_ptr<api::Core>> cores_;  // by node
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<SimAnswer> answers_;
  Counts counts_;
  uint64_t next_id_ = 1000, allowed_ = 0;
  bool is_set_up_ = false, is_finishing_ = false;
};

}  // namespace casbook::test
