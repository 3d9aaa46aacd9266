#include "cli/demo/gateway.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "cli/demo/clock.h"
#include "cli/demo/traffic.h"

namespace casbook::cli::demo {

namespace {

constexpr uint64_t kPrefetchAhead = 8;
constexpr uint64_t kPacedTogether = 1'000;
constexpr uint64_t kResubmittedOneIn = 20;
constexpr uint64_t kResubmittedBackMax = 50'000;  // orders

class Gateway {
 public:
  Gateway(const Setting& setting, Session session)
      : records_(setting.records),
        vitals_(setting.records.board().gateway),
        traffic_(setting.economy, setting.seed),
        session_(std::move(session)) {}

  int run() {
    wait_for_start(records_.board(), vitals_.pulse);
    const int64_t start = now_ns();
    base::AtomicU64& stopping = records_.board().stopping;
    // Relaxed: the flag is all there is to know.
    for (uint64_t number = 0; number < records_.orders.size() && !stopping.load_relaxed();
         ++number) {
      if (number % kPacedTogether == 0) pace(start, number);
      session_.prefetch(payment_of(traffic_.order(number + kPrefetchAhead)));
      if (!submit(number)) return 1;
      if (number % kResubmittedOneIn == 0 && !resubmit(earlier(number))) return 1;
    }
    records_.board().ended_ns.store_relaxed(static_cast<uint64_t>(now_ns() - start));
    return 0;
  }

 private:
  // Waits while it is ahead of the time at which all orders would last just long enough.
  void pace(int64_t start, uint64_t number) {
    const double share = static_cast<double>(number) / static_cast<double>(records_.orders.size());
    const auto due_ns = static_cast<int64_t>(share * kOrdersLastNs);
    const int64_t now = now_ns();
    if (now - start >= due_ns) return;
    sleep_us((due_ns - (now - start)) / 1'000 + 1);
    base::AtomicU64& paced_ns = records_.board().paced_ns;
    paced_ns.store_relaxed(paced_ns.load_relaxed() + static_cast<uint64_t>(now_ns() - now));
    increment(vitals_.pulse);
  }

  bool submit(uint64_t number) {
    const std::optional<uint64_t> answer = send(number, nullptr);
    if (!answer) return false;
    records_.orders[number].store_relaxed(*answer);
    records_.board().orders.store_relaxed(number + 1);
    increment(is_executed(*answer) ? vitals_.executed : vitals_.refused);
    return true;
  }

  // As a gateway does that lost the answer: the same order once more.
  bool resubmit(uint64_t number) {
    bool replayed = false;
    const std::optional<uint64_t> answer = send(number, &replayed);
    if (!answer) return false;
    const bool is_first_answer = replayed && *answer == records_.orders[number].load_relaxed();
    increment(is_first_answer ? vitals_.duplicates : vitals_.wrong_duplicates);
    return true;
  }

  // Nothing after an answer that means that the demo is broken.
  std::optional<uint64_t> send(uint64_t number, bool* replayed) {
    const Payment payment = payment_of(traffic_.order(number));
    const int64_t start = now_ns();
    const Result<Receipt> answer = session_.pay(payment);
    vitals_.latency.record(static_cast<uint64_t>(now_ns() - start));
    increment(vitals_.pulse);
    if (replayed) *replayed = answer ? answer->replayed : answer.error().replayed;
    if (answer) return answer->position.value;
    if (answer.error().is_recorded())
      return kRefusedBit | answer.error().position;
    std::fprintf(stderr, "gateway: order %llu: %s\n", static_cast<unsigned long long>(number),
                 answer.error().message().c_str());
    return std::nullopt;
  }

  // The order just sent, or one of some time ago, in turn.
  static uint64_t earlier(uint64_t number) {
    const uint64_t turn = number / kResubmittedOneIn;
    if (turn % 2 == 0) return number;
    return number - std::min(number, turn * 7919 % kResubmittedBackMax);
  }

  const Records& records_;
  Vitals& vitals_;
  const Traffic traffic_;
  Session session_;
};

}  // namespace

int run_gateway(const Setting& setting) {
  auto book = Book::attach(setting.book, setting.directory);
  if (!book) {
    std::fprintf(stderr, "gateway: %s\n", book.error().message().c_str());
    return 1;
  }
  auto session = book->open_session();
  if (!session) {
    std::fprintf(stderr, "gateway: %s\n", session.error().message().c_str());
    return 1;
  }
  return Gateway(setting, std::move(*session)).run();
}

}  // namespace casbook::cli::demo
