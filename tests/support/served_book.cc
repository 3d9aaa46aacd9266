#include "support/served_book.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "support/small_book.h"

namespace casbook::test_support {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kLeaseTtl = 1h;
constexpr uint64_t kChangesPerLook = 500;
constexpr int64_t kRotationNsMax = 10'000'000'000;

}  // namespace

ServedBook::ServedBook(uint32_t payers, const std::string& journal)
    : place_{.program = CASBOOK_COMMAND_INSTRUMENTED,
             .shm = shm_.path(),
             .journal = journal.empty() ? disk_.path() + "/journal" : journal},
      payers_(place_.book, place_.shm, payers) {}

bool ServedBook::open_accounts() {
  auto book = Book::attach(place_.book, place_.shm);
  if (!book) return false;
  auto session = book->open_session();
  return session && open_payers_accounts(*session);
}

bool ServedBook::await_payments(DaemonProcess& daemon, uint64_t count) {
  const uint64_t wanted = payers_.durable_count() + count;
  return await([&] { return payers_.durable_count() >= wanted || daemon.has_ended(); }) &&
         !daemon.has_ended();
}

bool ServedBook::pay_through(DaemonProcess& daemon) {
  if (!daemon.await_serving() || !open_accounts()) return false;
  payers_.start();
  return await_payments(daemon, 8);
}

bool ServedBook::take_checkpoint(DaemonProcess& daemon) {
  auto book = Book::attach(place_.book, place_.shm);
  return await([&] { return daemon.has_ended() || (book && book->request_checkpoint(200ms)); }) &&
         !daemon.has_ended();
}

std::string ServedBook::newest_segment() const {
  std::string newest;
  for (const auto& entry : std::filesystem::directory_iterator(place_.journal)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("segment-")) newest = std::max(newest, name);
  }
  return newest;
}

// Records enough for the next segment to begin: of limits, which take no payment ids.
bool ServedBook::rotate(DaemonProcess& daemon) {
  auto book = Book::attach(place_.book, place_.shm);
  if (!book) return false;
  auto session = book->open_session();
  if (!session) return false;
  const auto account = session->open_account({ExternalId::of_number(77)}, {.ledger = "CZK"});
  const std::string before = newest_segment();
  const int64_t end_ns = monotonic_ns() + kRotationNsMax;
  for (Amount limit = 1; account && newest_segment() == before; ++limit) {
    if (daemon.has_ended()) return false;
    if (monotonic_ns() > end_ns) {
      ADD_FAILURE() << "no next segment begins\n" << daemon.events();
      return false;
    }
    for (uint64_t i = 0; i < kChangesPerLook; ++i)
      if (!session->set_limits(*account,
                               {.max_available = 1 + (limit + static_cast<Amount>(i)) % 9}))
        break;
    sleep_us(100);
  }
  return !daemon.has_ended();
}

void ServedBook::live_through(DaemonProcess& daemon) {
  if (!pay_through(daemon)) return;
  for (int round = 0; round < 3; ++round)
    if (!take_checkpoint(daemon) || !rotate(daemon)) return;
  if (!await_payments(daemon, 4)) return;
  daemon.stop();
}

void ServedBook::go_on_in_memory() {
  auto book = Book::attach(place_.book, place_.shm);
  if (!book) return;
  if (was_lost_) check_terms(*book);
  was_lost_ = false;  // that the daemon that died has made good
  auto session = book->open_session();
  if (!session) return;
  if (const auto grant = session->try_acquire("lost", {.ttl = kLeaseTtl, .detached = true})) {
    EXPECT_GT(grant->lease.token, newest_token_);
    newest_token_ = grant->lease.token;
    memory_only_ = grant->lease.token;
    newest_term_ = std::max(newest_term_, grant->lease.token.term());
    (void)session->release(grant->lease);
  }
}

bool ServedBook::is_unjournaled() const {
  const auto book = Book::observe(place_.book, place_.shm);
  return book && !book->status().journal.journaled;
}

void ServedBook::lose_arena() {
  std::error_code ignored;
  std::filesystem::remove(place_.arena_file(), ignored);
  was_lost_ = true;
}

void ServedBook::expect_kept(End end) {
  DaemonProcess daemon(place_);
  ASSERT_TRUE(pay_through(daemon)) << daemon.events();
  payers_.stop();
  EXPECT_FALSE(payers_.have_failed());
  {
    auto book = Book::attach(place_.book, place_.shm);
    ASSERT_TRUE(book) << book.error().message();
    payers_.check(*book);
    check_terms(*book);
    check_leases(*book);
  }
  was_lost_ = false;
  if (end == End::kill) {
    daemon.kill();
  } else {
    EXPECT_EQ(daemon.stop().exit_code, 0) << daemon.events();
  }
  payers_.start();
}

void ServedBook::check_terms(const Book& book) {
  const uint64_t term = book.status().term;
  EXPECT_GE(term, newest_term_ + was_lost_) << "a term that may have been seen comes again";
  newest_term_ = std::max(newest_term_, term);
  if (memory_only_.value == 0) return;
  // What was in memory only, when that was lost, and no durable payment came behind it.
  const auto reached = book.wait(memory_only_, Level::memory, 1s);
  EXPECT_EQ(reached ? Code{} : reached.error().code, was_lost_ ? Code::undone : Code{});
  memory_only_ = {};
}

void ServedBook::check_leases(Book& book) {
  auto session = book.open_session();
  ASSERT_TRUE(session) << session.error().message();
  if (kept_token_.value != 0) {
    const auto lease = book.lease("kept");
    ASSERT_TRUE(lease) << lease.error().message();
    EXPECT_EQ(lease->lease.token, kept_token_) << "it is still the same grant";
    if (was_lost_) {
      EXPECT_GT(lease->remaining, kLeaseTtl - 20s) << "its TTL begins anew";
    }
  } else {
    const auto grant = session->try_acquire("kept", {.ttl = kLeaseTtl, .detached = true});
    ASSERT_TRUE(grant) << grant.error().message();
    const auto kept = book.wait(grant->lease.token, Level::durable, 5s);
    ASSERT_TRUE(kept) << kept.error().message();
    kept_token_ = grant->lease.token;
    newest_token_ = std::max(newest_token_, kept_token_);
  }
  const auto grant = session->try_acquire("fresh", {.ttl = kLeaseTtl, .detached = true});
  ASSERT_TRUE(grant) << grant.error().message();
  EXPECT_GT(grant->lease.token, newest_token_) << "a token comes again";
  newest_token_ = grant->lease.token;
  EXPECT_TRUE(session->release(grant->lease));
  // A loss of the host would take back a release that is not durable, and the lease be held again.
  EXPECT_TRUE(book.wait(book.position(), Level::durable, 5s));
}

}  // namespace casbook::test_support
