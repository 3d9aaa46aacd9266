#include "cli/demo/traffic.h"

#include <algorithm>

namespace casbook::cli::demo {

namespace {

constexpr uint64_t kCardsOf1000 = 971, kSalariesOf1000 = 20;
constexpr uint64_t kFirstId = 100'000'000'000;  // ids of one length

// splitmix64: independent of the library's distributions, which differ between versions.
class Dice {
 public:
  explicit Dice(uint64_t state) : state_(state) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  uint64_t below(uint64_t limit) { return (next() >> 32) * limit >> 32; }

 private:
  uint64_t state_;
};

// 2.00 to 19.99 in two of three cases, else 20.00 to 199.99: 44 on average.
Amount card_amount(Dice& dice) {
  return static_cast<Amount>(dice.below(3) < 2 ? 2'00 + dice.below(18'00)
                                               : 20'00 + dice.below(180'00));
}

// The smaller of two draws: the first merchants get most of the payments.
const Merchant& popular(const std::vector<Merchant>& merchants, Dice& dice) {
  return merchants[std::min(dice.below(merchants.size()), dice.below(merchants.size()))];
}

const Account& any(const std::vector<Account>& accounts, Dice& dice) {
  return accounts[dice.below(accounts.size())];
}

}  // namespace

Order Traffic::order(uint64_t number) const {
  Dice dice(seed_ * 0xd1342543de82ef95 + number);
  const uint64_t kind = dice.below(1000);
  const Account& customer = any(economy_.customers, dice);
  if (kind < kCardsOf1000)
    return {number, Purpose::card, customer, popular(economy_.merchants, dice).pending,
            card_amount(dice)};
  if (kind < kCardsOf1000 + kSalariesOf1000)
    return {number, Purpose::salary, any(economy_.employers, dice), customer,
            static_cast<Amount>(1'800'00 + dice.below(1'600'00))};
  return {number, Purpose::refund, popular(economy_.merchants, dice).payout, customer,
          card_amount(dice)};
}

PaymentId payment_id_of(uint64_t order_number) {
  return {ExternalId::of_number(kFirstId + order_number)};
}

Payment payment_of(const Order& order) {
  return Payment(payment_id_of(order.number))
      .debit(order.debit, order.amount)
      .credit(order.credit, order.amount)
      .code(static_cast<uint32_t>(order.purpose))
      .user_data(order.number);
}

}  // namespace casbook::cli::demo
