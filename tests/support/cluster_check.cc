#include "support/cluster_check.h"

#include <cstdio>
#include <cstring>
#include <vector>

#include "arena/arena.h"
#include "base/hash.h"
#include "commit/read.h"
#include "commit/store.h"

namespace casbook::test_support {
namespace {

void say(HostReport& report, const std::string& what) {
  const size_t used = std::strlen(report.text);
  std::snprintf(report.text + used, sizeof(report.text) - used, "  %s\n", what.c_str());
}

uint64_t digest_of_cells(const std::string& book_name) {
  const auto mapping = arena::attach("/dev/shm", book_name, arena::Access::read_only);
  if (!mapping) return 0;
  const commit::Store store(**mapping);
  uint64_t digest = 1;
  std::vector<uint64_t> words;
  for (uint64_t unit = 0; unit < store.units(); ++unit) {
    const uint32_t count = store.word_count(unit);
    if (count == 0) continue;
    commit::CellImage image;
    commit::peek_cell(store, unit, count, image);
    words = {unit, image.version};
    for (uint32_t i = 0; i < count; ++i) {
      words.push_back(image.value[i]);
      words.push_back(image.word_version[i]);
    }
    digest = base::hash_bytes(words.data(), words.size() * sizeof(uint64_t), digest);
  }
  return digest;
}

void check_client(const Book& book, const ClusterTruth& truth, uint32_t client, Promise promise,
                  HostReport& report) {
  const ClientTruth& own = truth.clients[client];
  const bool is_promised = kind_of(client) != ClientKind::quorum || promise.is_quorum_kept;
  const uint64_t reached = own.reached, begun = own.begun;
  uint64_t found = 0;
  for (uint64_t number = 1; number <= begun; ++number) {
    const auto info = book.lookup(payment_id(client, number));
    const bool is_there = info && info->executed;
    found += is_there;
    const std::string which =
        "payment " + std::to_string(number) + " of client " + std::to_string(client);
    if (!is_there && number <= reached && is_promised) {
      ++report.missing;
      say(report, which + " of " + std::to_string(reached) + " that reached their level is lost");
    }
    const uint64_t told = own.positions[number];
    if (is_there && told != 0 && is_promised && info->position.value != told) {
      ++report.moved;
      say(report, which + " is at " + std::to_string(info->position.value) + ", told was " +
                      std::to_string(told));
    }
  }
  report.executed += found;
  const auto account = book.find_account(client_account_id(client));
  if (!account && begun == 0) return;
  const auto balance = account ? book.balance(*account) : Result<Balance>(account.error());
  if (balance && balance->available == static_cast<Amount>(found)) return;
  ++report.miscounted;
  say(report, "client " + std::to_string(client) + " has " + std::to_string(found) +
                  " payments and " +
                  (balance ? std::to_string(balance->available) : balance.error().message()));
}

void check_undone(const Book& book, const ClusterTruth& truth, HostReport& report) {
  const uint64_t count = std::min<uint64_t>(truth.undone_count, kUndoneMax);
  for (uint64_t i = 0; i < count; ++i) {
    const Undone& undone = truth.undone[i];
    const auto info =
        book.lookup(payment_id(static_cast<uint32_t>(undone.client.load()), undone.number.load()));
    if (!info || !info->executed || info->position.value != undone.position) continue;
    ++report.undone_reached;
    say(report, "position " + std::to_string(undone.position) + " was said to be undone");
  }
}

}  // namespace

void look_on_host(const std::string& book_name, HostReport& report) {
  report.position = report.durable = 0;
  const auto book = Book::observe(book_name);
  if (!book) return;
  report.position = book->position().value;
  report.durable = book->durable_position().value;
  report.term = book->status().term;
}

void check_on_host(const std::string& book_name, const ClusterTruth& truth, Promise promise,
                   HostReport& report) {
  report = {};
  look_on_host(book_name, report);
  const auto book = Book::observe(book_name);
  if (!book) {
    ++report.problems;
    return say(report, book.error().message());
  }
  for (uint32_t client = 0; client < kClients; ++client)
    check_client(*book, truth, client, promise, report);
  check_undone(*book, truth, report);
  const auto audit = book->audit();
  if (!audit || !audit->ok) {
    ++report.problems;
    say(report, "audit: " + (audit ? audit->problems.at(0) : audit.error().message()));
  }
  const CheckReport check = book->check();
  if (!check.ok) {
    ++report.problems;
    say(report, "check: " + check.problems.at(0));
  }
  report.digest = digest_of_cells(book_name);
}

}  // namespace casbook::test_support
