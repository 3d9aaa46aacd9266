// What was answered to those who pay into a book that several hosts keep, written down outside all
// of them.
//
// Client c moves 1 from "world" to its own account under the ids (c, 1), (c, 2), ...; it goes on to
// the next when one has reached its level. A client is served by whichever host leads, so a payment
// whose answer was lost with one leader is sent again, under its id, to the next. Two hosts may
// serve one client at a time: while one believes that it still leads.
#pragma once

#include <array>
#include <atomic>

#include <casbook/casbook.h>

#include "support/hosts/link_faults.h"

namespace casbook::test_support {

constexpr uint32_t kClients = 6;
constexpr uint64_t kNumbersMax = 1 << 18;  // payments of a client
constexpr uint32_t kUndoneMax = 4096;

// How a client pays, and what it may rely on.
enum class ClientKind {
  durable,        // pay(payment, durable)
  waits_durable,  // pay(payment), then wait(position, durable)
  quorum,         // pay(payment, quorum)
};
constexpr ClientKind kind_of(uint32_t client) { return static_cast<ClientKind>(client % 3); }

inline PaymentId payment_id(uint32_t client, uint64_t number) {
  return {ExternalId::of_number(client + 1, number)};
}
inline AccountId client_account_id(uint32_t client) { return {ExternalId::of_number(client + 1)}; }
inline AccountId world_account_id() { return {ExternalId::of_number(1'000'000)}; }

// A word that only grows.
inline void raise(std::atomic<uint64_t>& word, uint64_t value) {
  uint64_t seen = word.load();
  while (seen < value && !word.compare_exchange_weak(seen, value)) {
  }
}

struct ClientTruth {
  std::atomic<uint64_t> begun;    // payments 1 .. begun were sent
  std::atomic<uint64_t> reached;  // payments 1 .. reached were said to have reached its level
  std::array<std::atomic<uint64_t>, kNumbersMax> positions;  // of those that did, by number
};

// A position that was said to be undone.
struct Undone {
  std::atomic<uint64_t> client, number, position;
};

enum class Lie : uint32_t {
  two_positions,  // one payment reached its level at two positions
  token_fell,     // a grant asked for after a durable one has a token that is not higher
  token_twice,
  not_to_be_expected,  // an error that no payer may get here
  count
};
constexpr const char* kLieNames[] = {"a payment at two positions", "a token fell",
                                     "a token came twice", "an answer not to be expected"};

struct ClusterTruth {
  std::array<ClientTruth, kClients> clients;
  std::array<Undone, kUndoneMax> undone;
  std::atomic<uint64_t> undone_count;
  std::atomic<uint64_t> token;  // highest that was durable
  std::atomic<uint64_t> grants, not_leader, unknown, leader_changes, last_leader;
  std::array<std::atomic<uint64_t>, static_cast<size_t>(Lie::count)> lies;
  std::atomic<uint32_t> must_stop;
  std::atomic<uint64_t> pause_us;  // of a payer, after each payment

  void note_lie(Lie lie) { ++lies[static_cast<size_t>(lie)]; }
  uint64_t reached() const {
    uint64_t sum = 0;
    for (const ClientTruth& client : clients) sum += client.reached;
    return sum;
  }
};

}  // namespace casbook::test_support
