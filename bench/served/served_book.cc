#include "served/served_book.h"

#include <csignal>
#include <fstream>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "arena/arena.h"
#include "commit/store.h"
#include "log/log_reader.h"
#include "served/place.h"

namespace casbook::bench {
namespace {

constexpr const char* kArenaDirectory = "/dev/shm";
constexpr int64_t kReadyNsMax = 600'000'000'000;  // recovery of a large journal included

void nap() {
  const timespec t{.tv_sec = 0, .tv_nsec = 1'000'000};
  nanosleep(&t, nullptr);
}

ExternalId id(const char* text) { return must(ExternalId::parse(text)); }

void write_config(const std::string& path, const std::string& book, const std::string& journal,
                  const ServedShape& shape) {
  std::ofstream(path) << "book = \"" << book << "\"\n"
                      << "[arena]\n"
                      << "accounts = " << shape.accounts + 1 << "\n"  // and the bank
                      << "payments = " << shape.payments << "\n"
                      << "window = \"" << shape.window << "\"\n"
                      << "records = " << shape.records << "\n"
                      << "leases = 64\nsessions = 16\n"
                      << "[journal]\ndirectory = \"" << journal << "\"\n"
                      << "[checkpoint]\nevery_bytes = " << shape.checkpoint_bytes << "\n"
                      << "every = \"0s\"\n";
}

// What a service manager listens on: the daemon says READY=1 there when the book is served.
class ReadySocket {
 public:
  explicit ReadySocket(std::string path)
      : path_(std::move(path)), fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{.sun_family = AF_UNIX};
    const timeval patience{.tv_usec = 100'000};
    path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    unlink(path_.c_str());
    if (path_.size() < sizeof(address.sun_path) &&
        bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0)
      return;
    std::fprintf(stderr, "benchmark: no socket at %s\n", path_.c_str());
    std::exit(1);
  }
  ~ReadySocket() {
    close(fd_);
    unlink(path_.c_str());
  }
  ReadySocket(const ReadySocket&) = delete;
  ReadySocket& operator=(const ReadySocket&) = delete;

  const std::string& path() const { return path_; }
  // Waits a little.
  bool was_told() const {
    char text[512];
    const ssize_t bytes = recv(fd_, text, sizeof(text), 0);
    return bytes > 0 && std::string_view(text, static_cast<size_t>(bytes)).find("READY=1") !=
                            std::string_view::npos;
  }

 private:
  std::string path_;
  int fd_;
};

}  // namespace

struct ServedBook::View {
  std::unique_ptr<arena::Mapping> mapping;
  commit::Store store;
  explicit View(std::unique_ptr<arena::Mapping> mapped)
      : mapping(std::move(mapped)), store(*mapping) {}
};

ServedBook::ServedBook(std::string folder, const ServedShape& shape)
    : folder_(std::move(folder)), name_(own_name()), shape_(shape) {
  const std::string journal = folder_ + "/journal";
  mkdir(journal.c_str(), 0700);
  write_config(folder_ + "/casbook.toml", name_, journal, shape_);
}

ServedBook::~ServedBook() { lose_arena(); }

std::string ServedBook::serve() {
  ReadySocket ready(folder_ + "/ready");
  daemon_ = Process({.words = {casbook_command(), "serve", folder_ + "/casbook.toml"},
                     .output = folder_ + "/daemon.log",
                     .environment = {{"NOTIFY_SOCKET", ready.path()}}});
  for (const int64_t until = now_ns() + kReadyNsMax; !ready.was_told();) {
    if (!daemon_.is_running()) return "casbook serve ended: " + said();
    if (now_ns() > until) return "casbook serve was not ready in time: " + said();
  }
  ready_ns_ = now_ns();
  view_ =
      std::make_unique<View>(must(arena::attach(kArenaDirectory, name_, arena::Access::read_only)));
  return {};
}

const arena::JournalLines& ServedBook::journal() const { return view_->mapping->journal(); }

void ServedBook::fill() {
  book_.emplace(must(Book::attach(name_, kArenaDirectory)));
  Session session = must(book_->open_session());
  accounts_ = open_accounts(session, shape_.accounts);
}

void ServedBook::attach() {
  book_.emplace(must(Book::attach(name_, kArenaDirectory)));
  accounts_.clear();
  for (uint64_t i = 0; i < shape_.accounts; ++i)
    accounts_.push_back(must(book_->find_account({ExternalId::of_number(i + 1)})));
}

void ServedBook::lose_arena() {
  book_.reset();
  view_.reset();
  daemon_.stop(SIGKILL);
  (void)Book::destroy(name_, kArenaDirectory);
}

int ServedBook::stop() {
  book_.reset();
  view_.reset();
  return daemon_.stop(SIGTERM);
}

Command ServedBook::command(const char* subcommand) const {
  return {.words = {casbook_command(), subcommand, name_}, .output = folder_ + "/command.log"};
}

uint64_t ServedBook::record_bytes(Position payment) const {
  log::Record record;
  if (log::fetch(view_->store, payment.lsn(), record) != log::Fetch::got) return 0;
  return log::image_of(record).words() * sizeof(uint64_t);
}

std::vector<Account> open_accounts(Session& session, uint64_t count) {
  constexpr uint64_t kFundedTogether = kPaymentPostingsMax - 1;
  uint64_t refused = 0, payments = 0;
  must(session.open_ledger("EUR", 2));
  const Account bank = must(session.open_account({id("bank")}, {.ledger = "EUR"}));
  std::vector<Account> accounts;
  while (accounts.size() < count) {
    const auto opened = session.open_account({ExternalId::of_number(accounts.size() + 1)},
                                             {.ledger = "EUR", .limits = {.min_available = 0}});
    if (!opened && opened.error().code == Code::backpressure)
      nap();
    else
      accounts.push_back(must(opened));
  }
  for (uint64_t i = 0; i < count; i += kFundedTogether) {
    const uint64_t end = std::min(i + kFundedTogether, count);
    Payment payment({ExternalId::of_number(1, ++payments)});
    payment.debit(bank, kFundsEach * static_cast<Amount>(end - i));
    for (uint64_t k = i; k < end; ++k) payment.credit(accounts[k], kFundsEach);
    must(pay_patiently(session, payment, refused));
  }
  return accounts;
}

Result<Receipt> pay_patiently(Session& session, const Payment& payment, uint64_t& refused) {
  for (;;) {
    auto receipt = session.pay(payment);
    if (receipt || receipt.error().code != Code::backpressure) return receipt;
    ++refused;
    const timespec t{.tv_sec = 0, .tv_nsec = 50'000};
    nanosleep(&t, nullptr);
  }
}

}  // namespace casbook::bench
