// Systems that make the same payment durable: two accounts, funds checked, once per id, on disk
// when it is answered. casbook itself is one of them, so that all are driven alike.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "harness.h"

namespace casbook::bench {

constexpr int64_t kPeerFunds = 1'000'000'000'000;  // of each account at the start

struct Order {
  uint64_t id = 0;
  uint32_t from = 0, to = 0;  // below the number of accounts
  int64_t amount = 1;
};

enum class Answer { paid, replayed, refused, failed };

// One caller's connection; used by one thread.
class Client {
 public:
  virtual ~Client() = default;
  virtual Answer pay(const Order& order) = 0;
  virtual int64_t funds(uint32_t account) = 0;  // -1: cannot be read
};

class Peer {
 public:
  virtual ~Peer() = default;
  // Makes and funds the accounts, in a folder that is its own. What is in the way; empty: nothing.
  virtual std::string start(const std::string& folder, uint32_t accounts) = 0;
  virtual std::unique_ptr<Client> connect() = 0;  // null: failed
};

// Those that this program was built with; null with the reason for the others.
struct PeerEntry {
  const char* name;
  std::unique_ptr<Peer> peer;
  bool needs_server;
};
std::vector<PeerEntry> all_peers();

std::unique_ptr<Peer> make_sqlite();
std::unique_ptr<Peer> make_lmdb();
std::unique_ptr<Peer> make_postgres();
std::unique_ptr<Peer> make_redis();

}  // namespace casbook::bench
