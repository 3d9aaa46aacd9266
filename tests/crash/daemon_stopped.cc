// The daemon is stopped with SIGSTOP at each of its fault points. Payments of level memory are not
// held up; durable ones are answered when it goes on.
#include <gtest/gtest.h>

#include "support/crash_book.h"
#include "support/served_book.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using base::FaultPoint;

constexpr uint64_t kPayments = 300;
constexpr int64_t kStoppedUs = 300'000;

// Beside the stopped daemon: each is answered at once. Returns how many were paid.
uint64_t pay_in_memory(const DaemonPlace& place, uint64_t& number) {
  const BoundedTime bounded("payments beside a stopped daemon");
  auto book = Book::attach(place.book, place.shm);
  if (!book) return 0;
  Session session = must(book->open_session());
  const Account world = must(book->find_account(account_id("1000000")));
  const Account own = must(book->find_account(account_id("8")));
  uint64_t paid = 0;
  for (uint64_t i = 0; i < kPayments; ++i) {
    const auto answer =
        session.pay(Payment(payment_id(10'000'000 + ++number)).debit(world, 1).credit(own, 1));
    paid += static_cast<bool>(answer);
    EXPECT_TRUE(answer || answer.error().code == Code::backpressure)
        << answer.error().message() << ": the ring is full, or it is paid";
  }
  return paid;
}

TEST(DaemonStopped, HoldsUpNoPaymentOfLevelMemory) {
  uint64_t stops = 0, paid = 0, number = 0;
  for (size_t i = static_cast<size_t>(FaultPoint::segment_after_create); i < kFaultPoints; ++i) {
    const auto point = static_cast<FaultPoint>(i);
    // Passed while nobody can pay: the book has no name, or is closed; or by a node of a cluster.
    if (point == FaultPoint::serve_after_state || point == FaultPoint::follower_arena_filled ||
        (point >= FaultPoint::copy_whole && point <= FaultPoint::copy_before_unmark) ||
        (point >= FaultPoint::recover_after_load && point <= FaultPoint::recover_before_rename))
      continue;
    SCOPED_TRACE(base::fault_point_name(point));
    ServedBook served;
    served.expect_kept(ServedBook::End::kill);
    DaemonProcess daemon(served.place(), {point, 1, SIGSTOP});
    Child driver([&] {
      for (;;)
        if (!served.take_checkpoint(daemon) || !served.rotate(daemon)) sleep_us(1000);
    });
    if (!await([&] { return daemon.is_stopped(); }, 4)) {
      ADD_FAILURE() << "it is never passed";
      continue;
    }
    driver.kill_and_wait();
    ++stops;
    paid += pay_in_memory(served.place(), number);
    sleep_us(kStoppedUs);
    EXPECT_TRUE(daemon.is_stopped());
    daemon.signal(SIGCONT);
    const uint64_t before = served.payers().durable_count();
    EXPECT_TRUE(await([&] { return served.payers().durable_count() >= before + 4; }))
        << daemon.events();
    daemon.kill();
    served.expect_kept(ServedBook::End::stop);
    if (HasFatalFailure()) return;
  }
  EXPECT_GE(stops, 10u);
  EXPECT_GT(paid, stops * kPayments / 3) << "the ring was full nearly always";
  std::printf("%llu stops, %llu payments beside them\n", static_cast<unsigned long long>(stops),
              static_cast<unsigned long long>(paid));
}

}  // namespace
}  // namespace casbook
