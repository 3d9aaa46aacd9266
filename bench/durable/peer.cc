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

}  // namespace casbook::bench
