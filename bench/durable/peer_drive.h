// Times one peer: a caller alone, in turn with the floor, then four at once.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "durable/effort.h"
#include "durable/one_caller.h"
#include "durable/peer.h"
#include "table.h"

namespace casbook::bench {

constexpr uint32_t kCallersAtOnce = 4;

// One caller's orders: ids of its own, random accounts.
class Orders {
 public:
  Orders(uint64_t series, uint64_t accounts) : random_(series), accounts_(accounts) {
    next_ = series << 40;
  }
  Order next() {
    const auto [from, to] = random_.two_below(accounts_);
    return {.id = ++next_, .from = static_cast<uint32_t>(from), .to = static_cast<uint32_t>(to)};
  }

 private:
  Random random_;
  uint64_t accounts_, next_;
};

// Payments per second of 4 callers; 0: one of them failed.
inline double run_together(Peer& peer, const Effort& effort) {
  std::vector<std::unique_ptr<Client>> clients;
  for (uint32_t i = 0; i < kCallersAtOnce; ++i)
    if (clients.push_back(peer.connect()); !clients.back()) return 0;
  uint64_t paid[kCallersAtOnce * 8] = {};  // a line each
  bool failed[kCallersAtOnce] = {};
  const int64_t start = now_ns();
  const int64_t until = start + static_cast<int64_t>(effort.seconds * 4e9);
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < kCallersAtOnce; ++i)
    threads.emplace_back([&, i] {
      Orders orders(i + 2, effort.accounts);
      while (now_ns() < until && !failed[i])
        if (clients[i]->pay(orders.next()) == Answer::paid)
          ++paid[i * 8];
        else
          failed[i] = true;
    });
  for (std::thread& thread : threads) thread.join();
  const double seconds = static_cast<double>(now_ns() - start) / 1e9;
  uint64_t sum = 0;
  for (uint32_t i = 0; i < kCallersAtOnce; ++i) {
    if (failed[i]) return 0;
    sum += paid[i * 8];
  }
  return static_cast<double>(sum) / seconds;
}

// That it does the work: pays, knows an id again, refuses what is not there. What it does wrong;
// empty: nothing. Takes the ids 1 and 2.
inline std::string try_out(Client& client) {
  const Order order{.id = 1, .from = 0, .to = 1, .amount = 7};
  const Order too_much{.id = 2, .from = 1, .to = 0, .amount = 2 * kPeerFunds};
  if (client.pay(order) != Answer::paid) return "a payment was not made";
  if (client.pay(order) != Answer::replayed) return "a payment id was not known again";
  if (client.pay(too_much) != Answer::refused) return "a payment without funds was not refused";
  if (client.funds(0) != kPeerFunds - 7 || client.funds(1) != kPeerFunds + 7)
    return "the balances are not what was paid";
  return {};
}

// What is in the way; empty: the row is there.
// `make_floor()` gives what has a round(), in a unique_ptr.
template <class MakeFloor>
std::string drive_peer(const char* name, Peer& peer, const std::string& folder,
                       const Effort& effort, Table& table, MakeFloor&& make_floor) {
  std::string why = peer.start(folder, static_cast<uint32_t>(effort.accounts));
  if (!why.empty()) return why;
  const std::unique_ptr<Client> client = peer.connect();
  if (!client) return "no connection";
  why = try_out(*client);
  if (!why.empty()) return why;
  const auto floor = make_floor();
  Orders orders(1, effort.accounts);
  OneCaller times;
  if (!time_one_caller(effort, *floor, times,
                       [&] { return client->pay(orders.next()) == Answer::paid; }))
    return "a payment failed";
  const double alone = static_cast<double>(times.subject.count()) / times.subject.sum_s();
  const double together = run_together(peer, effort);
  if (together == 0) return "a payment of four callers failed";
  table.add({name, figure(times.subject.p50()), figure(times.p50_ratio()),
             figure(times.subject.p99()), figure(times.p99_ratio()), figure(alone),
             figure(together)});
  return {};
}

}  // namespace casbook::bench
