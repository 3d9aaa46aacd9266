#include "durable/peer.h"

namespace casbook::bench {

std::vector<PeerEntry> all_peers() {
  std::vector<PeerEntry> peers;
  const auto add = [&](const char* name, bool needs_server, std::unique_ptr<Peer> peer) {
    peers.push_back({name, std::move(peer), needs_server});
  };
#ifdef CASBOOK_PEER_SQLITE
  add("SQLite, WAL, synchronous=FULL", false, make_sqlite());
#else
  add("SQLite (built without libsqlite3)", false, nullptr);
#endif
#ifdef CASBOOK_PEER_LMDB
  add("LMDB, sync", false, make_lmdb());
#else
  add("LMDB (built without liblmdb)", false, nullptr);
#endif
#ifdef CASBOOK_PEER_POSTGRES
  add("PostgreSQL, synchronous_commit=on", true, make_postgres());
#else
  add("PostgreSQL (built without libpq)", true, nullptr);
#endif
#ifdef CASBOOK_PEER_REDIS
  add("Redis, appendfsync always", true, make_redis());
#else
  add("Redis (built without libhiredis)", true, nullptr);
#endif
  return peers;
}

std::string try_out(Client& client) {
  const Order order{.id = 1, .from = 0, .to = 1, .amount = 7};
  const Order too_much{.id = 2, .from = 1, .to = 0, .amount = 2 * kPeerFunds};
  if (client.pay(order) != Answer::paid) return "a payment was not made";
  if (client.pay(order) != Answer::replayed) return "a payment id was not known again";
  if (client.pay(too_much) != Answer::refused) return "a payment without funds was not refused";
  if (client.funds(0) != kPeerFunds - 7 || client.funds(1) != kPeerFunds + 7)
    return "the balances are not what was paid";
  return {};
}

}  // namespace casbook::bench
