// A book that a daemon serves: each payment is in the synced journal when it is answered.
#include "peers/casbook_caller.h"
#include "peers/designs.h"
#include "served/served_book.h"

namespace casbook::peers {
namespace {

About about_of(Guard guard) {
  const bool has_lease = guard == Guard::lease;
  return {
      .name = has_lease ? "casbook-lease-durable" : "casbook-plain-durable",
      .group = Group::casbook,
      .form = Form::safe,
      .is_durable = true,
      .has_lock = has_lease,
      .uses_ttl = has_lease,
      .store = "the book, and its daemon's journal",
      .work = has_lease ? "as casbook-lease, waited for until it is durable"
                        : "as casbook-plain, waited for until it is durable",
      .death = has_lease
                   ? "the kernel, at once; a stopped holder's leases expire, and its tokens with "
                     "them"
                   : "nobody has to: whoever meets what it left finishes or undoes it"};
}

class CasbookServed : public Design {
 public:
  explicit CasbookServed(Guard guard) : Design(about_of(guard)), spare_(1) {
    place_.guard = guard;
    place_.level = Level::durable;
    bench::make_robust(spare_[0].mutex);
  }

  std::unique_ptr<Caller> connect() override {
    return CasbookCaller::attach(place_, shape(), &spare_[0].mutex);
  }

 private:
  std::string make() override {
    served_ = std::make_unique<bench::ServedBook>(
        shape().folder,
        bench::ServedShape{.accounts = shape().accounts,
                           .payments = shape().payments,
                           .window = std::to_string(shape().id_window_ms / 1000) + "s"});
    if (std::string why = served_->serve(); !why.empty()) return why;
    place_.name = served_->name();
    auto book = Book::attach(place_.name);
    if (!book) return book.error().message();
    auto session = book->open_session();
    return session ? open_casbook_accounts(*session, shape(), place_) : session.error().message();
  }

  std::unique_ptr<bench::ServedBook> served_;
  CasbookPlace place_;
  bench::Lines<bench::LockedAccount> spare_;
};

}  // namespace

std::unique_ptr<Design> make_casbook_lease_durable() {
  return std::make_unique<CasbookServed>(Guard::lease);
}
std::unique_ptr<Design> make_casbook_plain_durable() {
  return std::make_unique<CasbookServed>(Guard::none_needed);
}

}  // namespace casbook::peers
