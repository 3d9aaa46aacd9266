// casbook driven as the others are: a book served by its daemon, every payment waited for.
#include "durable/peer_casbook.h"

namespace casbook::bench {
namespace {

static_assert(kPeerFunds == kFundsEach);

constexpr auto kPatience = std::chrono::seconds(60);

class CasbookClient : public Client {
 public:
  explicit CasbookClient(ServedBook& book)
      : book_(book), session_(must(book.book().open_session())) {}

  Answer pay(const Order& order) override {
    const std::vector<Account>& accounts = book_.accounts();
    const auto receipt = session_.pay(Payment({ExternalId::of_number(1000, order.id)})
                                          .debit(accounts[order.from], order.amount)
                                          .credit(accounts[order.to], order.amount),
                                      Level::durable, kPatience);
    if (receipt) return receipt->replayed ? Answer::replayed : Answer::paid;
    return receipt.error().code == Code::insufficient_available ? Answer::refused : Answer::failed;
  }
  int64_t funds(uint32_t account) override {
    const auto balance = book_.book().balance(book_.accounts()[account]);
    return balance ? balance->available : -1;
  }

 private:
  ServedBook& book_;
  Session session_;
};

class Casbook : public Peer {
 public:
  explicit Casbook(uint64_t payments) : payments_(payments) {}
  std::string start(const std::string& folder, uint32_t accounts) override {
    book_ = std::make_unique<ServedBook>(folder,
                                         ServedShape{.accounts = accounts, .payments = payments_});
    const std::string why = book_->serve();
    if (why.empty()) book_->fill();
    return why;
  }
  std::unique_ptr<Client> connect() override { return std::make_unique<CasbookClient>(*book_); }

 private:
  uint64_t payments_;
  std::unique_ptr<ServedBook> book_;
};

}  // namespace

std::unique_ptr<Peer> make_casbook(uint64_t payments) {
  return std::make_unique<Casbook>(payments);
}

}  // namespace casbook::bench
