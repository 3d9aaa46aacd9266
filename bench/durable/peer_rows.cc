#include "durable/peer_rows.h"

#include <thread>

#include "durable/one_caller.h"
#include "durable/peer.h"
#include "durable/peer_casbook.h"

namespace casbook::bench {
namespace {

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
double run_together(Peer& peer, const Effort& effort) {
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

// What is in the way; empty: the row is there.
std::string add_row(const char* name, Peer& peer, const std::string& folder, const Place& place,
                    const Effort& effort, Table& table) {
  std::string why = peer.start(folder, static_cast<uint32_t>(effort.accounts));
  if (!why.empty()) return why;
  const std::unique_ptr<Client> client = peer.connect();
  if (!client) return "no connection";
  why = try_out(*client);
  if (!why.empty()) return why;
  RoundTripFloor floor(place.path());
  Orders orders(1, effort.accounts);
  OneCaller times;
  if (!time_one_caller(effort, floor, times,
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

}  // namespace

void add_peer_rows(const Place& place, const Effort& effort, Table& table) {
  std::vector<PeerEntry> peers = all_peers();
  peers.insert(peers.begin(), PeerEntry{"casbook", make_casbook(effort.payments), false});
  uint32_t number = 0;
  for (PeerEntry& entry : peers) {
    std::string why;
    if (!entry.peer)
      why = "not built in";
    else if (entry.needs_server && !effort.with_servers)
      why = "servers are off in this run";
    else {
      const std::string folder = place.folder(("peer" + std::to_string(++number)).c_str());
      why = add_row(entry.name, *entry.peer, folder, place, effort, table);
    }
    if (!why.empty()) table.add({entry.name, "skipped: " + why});
    entry.peer.reset();  // its server ends before the next one is measured
  }
}

}  // namespace casbook::bench
