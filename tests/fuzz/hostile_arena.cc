// Random bytes in a live book: every call gives an answer or an error. No signal, no assert, no hang.
//
// CASBOOK_SECONDS is how long it goes on (4), CASBOOK_SEED where it begins. A seed that fails is
// printed; what it does depends also on the hash seed of the book, which is drawn anew in each run.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "arena/header.h"
#include "support/child_process.h"
#include "support/id_table.h"
#include "support/random.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using arena::Region;
using test::Random;

constexpr int kSecondsPerSeed = 10;

// A book with a bit of everything, one payer of which died inside a commit.
class Subject {
 public:
  Subject() {
    for (int i = 0; i < 30; ++i) must(book_.session.pay(payment(book_.fresh_id())));
    must(book_.session.pay(payment(payment_id("a text id of more than sixteen bytes"))));
    must(book_.session.try_acquire("held", {.ttl = std::chrono::hours(1)}));
    (void)must(book_.book.follow("auditor", FullPolicy::drop_follower));
  }
  Payment payment(const PaymentId& id) const { return Payment(id).debit(a, 1).credit(b, 1); }
  std::string path() const { return must(Book::observe("book", directory())).status().path; }
  const std::string& directory() const { return book_.directory.path(); }

 private:
  SmallBook book_;

 public:
  Account a = book_.open_with("a", 1000), b = book_.open("b");
};

// What a stray write leaves: noise, a small number, a bit, or a copy of what stands elsewhere.
void scribble(const arena::Mapping& mapping, Random& random) {
  constexpr Region kRegions[] = {Region::attachments,  Region::sessions,     Region::followers,
                                 Region::log_slots,    Region::record_index, Region::descriptors,
                                 Region::block_states, Region::blocks,       Region::cells,
                                 Region::cells,        Region::events};
  uint64_t* words = nullptr;
  uint64_t count = 0;
  if (random.below(8) == 0) {
    words = reinterpret_cast<uint64_t*>(&mapping.control());
    count = sizeof(arena::ControlLines) / 8;
  } else {
    const Region region = kRegions[random.below(std::size(kRegions))];
    words = mapping.region<uint64_t>(region);
    count = mapping.header().regions[static_cast<uint32_t>(region)].bytes / 8;
    if (random.below(2) == 0) count = std::min<uint64_t>(count, 512);  // where something stands
  }
  const uint64_t writes = 1 + random.below(40);
  for (uint64_t i = 0; i < writes; ++i) {
    uint64_t& word = words[random.below(count)];
    switch (random.below(4)) {
      case 0: word = random.next(); break;
      case 1: word = random.below(16); break;
      case 2: word ^= uint64_t{1} << random.below(64); break;
      case 3: word = words[random.below(count)]; break;
    }
  }
}

template <class T>
void use(const Result<T>& result) {
  if (!result) (void)result.error().message();
}

// Every public call. Results do not matter; coming back does.
void use_book(Book& book, Session* session, const Subject& subject) {
  const std::vector<Account> accounts{subject.a, subject.b};
  use(book.balance(subject.a));
  use(book.balances(accounts));
  use(book.account_info(subject.a));
  use(book.find_account(account_id("a")));
  use(book.snapshot());
  use(book.history(subject.a));
  use(book.lookup(payment_id("a text id of more than sixteen bytes")));
  use(book.lease("held"));
  (void)book.leases();
  (void)book.ledgers();
  (void)book.activity();
  (void)book.status();
  if (auto reader = book.read_log()) {
    for (int i = 0; i < 600; ++i)
      if (!reader->next()) break;
  }
  if (session) {
    for (uint64_t i = 0; i < 12; ++i) use(session->pay(subject.payment(payment_id(900 + i))));
    use(session->try_acquire("held"));
    use(session->try_acquire("other"));
    use(session->open_account(account_id("new"), {.ledger = "EUR"}));
    use(session->set_limits(subject.a, {.min_available = -5}));
    use(book.take_over_the_dead());
  }
  use(book.audit());
  (void)book.check();
}

void try_everything(const std::string& directory, const Subject& subject) {
  if (auto book = Book::attach("book", directory)) {
    auto session = book->open_session();
    use_book(*book, session ? &*session : nullptr, subject);
  }
  if (auto observer = Book::observe("book", directory)) use_book(*observer, nullptr, subject);
}

void spoil_header(const std::string& directory, Random& random) {
  std::fstream file(directory + "/casbook.book", std::ios::binary | std::ios::in | std::ios::out);
  arena::FixedHeader header;
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  auto* words = reinterpret_cast<uint64_t*>(&header);
  for (uint64_t i = 1 + random.below(3); i > 0; --i) {
    uint64_t& word = words[random.below(sizeof header / 8 - 1)];
    switch (random.below(4)) {
      case 0: word = random.next(); break;
      case 1: word = random.below(70); break;
      case 2: word ^= uint64_t{1} << random.below(64); break;
      case 3: word += 64; break;
    }
  }
  if (!random.one_in(8)) header.checksum = arena::checksum_of(header);  // as if it had been meant
  file.seekp(0);
  file.write(reinterpret_cast<const char*>(&header), sizeof header);
}

void run_arena_seed(const std::string& directory, const Subject& subject, Random& random) {
  auto mapping = arena::attach(directory, "book", arena::Access::read_write);
  if (!mapping) std::abort();
  const bool is_attached_before = random.below(2) == 0;
  if (!is_attached_before) scribble(**mapping, random);
  if (!is_attached_before) return try_everything(directory, subject);
  Book book = must(Book::attach("book", directory));
  Session session = must(book.open_session());
  scribble(**mapping, random);
  use_book(book, &session, subject);
}

void run_header_seed(const std::string& directory, const Subject& subject, Random& random) {
  spoil_header(directory, random);
  try_everything(directory, subject);
}

using RunSeed = void (*)(const std::string&, const Subject&, Random&);

void run_seeds(RunSeed run_seed) {
  const char* const seconds = std::getenv("CASBOOK_SECONDS");
  const char* const first = std::getenv("CASBOOK_SEED");
  const int64_t end = monotonic_ns() + (seconds ? std::atoll(seconds) : 4) * 1'000'000'000;
  const Subject subject;
  const std::string original = subject.path();
  uint64_t seed = first ? std::strtoull(first, nullptr, 10) : 1;
  uint64_t tried = 0;
  for (; monotonic_ns() < end || tried == 0; ++seed, ++tried) {
    ScratchDirectory directory;
    std::filesystem::copy(original, directory.path());
    const pid_t child = fork();
    if (child == 0) {
      alarm(kSecondsPerSeed);
      Random random(seed);
      run_seed(directory.path(), subject, random);
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
        << "seed " << seed << " ended by "
        << (WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "an exit code");
    if (first && !seconds) break;
  }
  std::printf("%lu seeds\n", static_cast<unsigned long>(tried));
}

TEST(HostileArena, EveryCallAnswersWhateverTheBytes) { run_seeds(run_arena_seed); }

TEST(HostileHeader, EveryCallAnswersWhateverTheHeader) { run_seeds(run_header_seed); }

}  // namespace
}  // namespace casbook
