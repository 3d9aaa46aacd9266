// How long a book takes to be served again when its arena is gone: rebuilt from its journal alone,
// and from a checkpoint. Real payments, journaled by a real daemon, which is then killed.
//
//   bench_restart [--tiny] [--accounts N] [--payments N]
//
// Works below $CASBOOK_BENCH_DIR, or below the build folder: ten million payments take 5 GB there,
// and 4 GiB of shared memory. Prints Markdown. Fails if the book is not what it was.
#include <cstdio>
#include <thread>

#include "served/place.h"
#include "served/served_book.h"
#include "table.h"

namespace casbook::bench {
namespace {

constexpr uint32_t kPayers = 2;
constexpr auto kPatience = std::chrono::minutes(5);

struct Size {
  uint64_t accounts = 1'000'000, payments = 10'000'000;
};

Size read_size(int argc, char** argv) {
  Size size;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--tiny") {
      size = {.accounts = 1'000, .payments = 20'000};
    } else if (option == "--accounts" && i + 1 < argc) {
      size.accounts = std::strtoull(argv[++i], nullptr, 10);
    } else if (option == "--payments" && i + 1 < argc) {
      size.payments = std::strtoull(argv[++i], nullptr, 10);
    } else {
      std::fprintf(stderr, "bench_restart: unknown option %s\n", argv[i]);
      std::exit(2);
    }
  }
  return size;
}

void give_up(const std::string& why) {
  std::fprintf(stderr, "bench_restart: %s\n", why.c_str());
  std::exit(1);
}

double seconds_since(int64_t start_ns, int64_t end_ns) {
  return static_cast<double>(end_ns - start_ns) / 1e9;
}

// One payer's share, in batches; what the ring has no room for is sent again. The last position.
Position pay_share(ServedBook& book, uint64_t series, uint64_t count) {
  constexpr uint64_t kBatch = 256;
  Session session = must(book.book().open_session());
  Random random(series);
  std::vector<Payment> payments(kBatch, Payment(PaymentId{}));
  std::vector<Result<Receipt>> answers(kBatch, Receipt{});
  Position last;
  uint64_t refused = 0;
  for (uint64_t made = 0; made < count; made += kBatch) {
    for (uint64_t i = 0; i < kBatch; ++i)
      payments[i] = transfer(book.accounts(), random, series, made + i);
    session.pay_batch(payments, answers);
    for (uint64_t i = 0; i < kBatch; ++i) {
      const bool is_full = !answers[i] && answers[i].error().code == Code::backpressure;
      const Receipt receipt =
          must(is_full ? pay_patiently(session, payments[i], refused) : answers[i]);
      last = std::max(last, receipt.position);
    }
  }
  return last;
}

// What the book must be again.
struct State {
  Position position;
  std::vector<AccountBalance> accounts;
};

State state_of(ServedBook& book) {
  BookSnapshot snapshot = must(book.book().snapshot());
  return {snapshot.position, std::move(snapshot.accounts)};
}

void compare(ServedBook& book, const State& before) {
  const State after = state_of(book);
  const auto same = [](const AccountBalance& a, const AccountBalance& b) {
    return a.account == b.account && a.available == b.available && a.held == b.held;
  };
  if (!std::equal(after.accounts.begin(), after.accounts.end(), before.accounts.begin(),
                  before.accounts.end(), same))
    give_up("the balances are not what they were");
  for (uint32_t payer = 0; payer < kPayers; ++payer)
    if (!must(book.book().lookup({ExternalId::of_number(payer + 2, 0)})).executed)
      give_up("the first payment of a payer is not known");
}

class Restart {
 public:
  Restart(const Place& place, const Size& size)
      : size_(size),
        book_(place.folder("book"), {.accounts = size.accounts,
                                     .payments = size.payments + size.accounts,
                                     .window = "24h"}) {}

  void run() {
    const double empty_s = serve();
    table_.add({"an empty book of that shape", figure(empty_s) + " s"});
    make_payments();
    book_.lose_arena();
    const double replayed_s = serve_again();
    add("from the journal alone", replayed_s, empty_s);
    take_checkpoint();
    book_.lose_arena();
    const double loaded_s = serve_again();
    add("from a checkpoint", loaded_s, empty_s);
    table_.print();
  }

 private:
  // Seconds until it is served.
  double serve() {
    const int64_t start = now_ns();
    if (const std::string why = book_.serve(); !why.empty()) give_up(why);
    return seconds_since(start, book_.ready_ns());
  }

  void make_payments() {
    book_.fill();
    const int64_t start = now_ns();
    Position last[kPayers];
    std::vector<std::thread> payers;
    for (uint32_t i = 0; i < kPayers; ++i)
      payers.emplace_back([&, i] { last[i] = pay_share(book_, i + 2, size_.payments / kPayers); });
    for (std::thread& payer : payers) payer.join();
    must(book_.book().wait(std::max(last[0], last[1]), Level::durable, kPatience));
    const double seconds = seconds_since(start, now_ns());
    before_ = state_of(book_);
    table_.add({"the payments, with the daemon following", figure(seconds) + " s",
                figure(static_cast<double>(size_.payments) / seconds / 1e3) + " k payments/s",
                figure(static_cast<double>(book_.journal().journal_bytes.load_relaxed()) / 1e9) +
                    " GB of journal"});
  }

  double serve_again() {
    const double seconds = serve();
    book_.attach();
    compare(book_, before_);
    return seconds;
  }

  void take_checkpoint() {
    if (!run_to_end(book_.command("checkpoint"))) give_up("no checkpoint: " + book_.said());
    const auto& journal = book_.journal();
    const double bytes = static_cast<double>(journal.checkpoint_bytes.load_relaxed());
    const double ms = static_cast<double>(journal.checkpoint_took_ms.load_relaxed());
    table_.add({"a checkpoint", figure(ms / 1e3) + " s", figure(bytes / 1e6 / ms) + " GB/s",
                figure(bytes / 1e9) + " GB"});
  }

  // The time that the empty arena takes is no work on records.
  void add(const char* what, double seconds, double empty_s) {
    const double records = static_cast<double>(before_.position.lsn());
    table_.add({what, figure(seconds) + " s", figure(records / seconds / 1e6) + " M records/s",
                figure(records / std::max(seconds - empty_s, 1e-3) / 1e6) +
                    " M records/s without the making of the arena"});
  }

  Size size_;
  ServedBook book_;
  State before_;
  Table table_{{"served again", "time", "rate", ""}};
};

}  // namespace
}  // namespace casbook::bench

int main(int argc, char** argv) {
  using namespace casbook::bench;
  const Size size = read_size(argc, argv);
  static const Place place("restart");  // removed by exit() too
  std::printf("%lu accounts, %lu payments\n\n", size.accounts, size.payments);
  static Restart restart(place, size);
  restart.run();
  return 0;
}
