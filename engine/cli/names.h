// From handles and minor units back to what people call them.
#pragma once

#include <string>
#include <unordered_map>

#include <casbook/book.h>

namespace casbook::cli {

// Remembers what it looked up: ids, ledgers and scales of accounts never change. One thread.
class Names {
 public:
  explicit Names(const Book& book) : book_(book) {}

  struct Known {
    std::string id, ledger;
    uint32_t scale = 0;
  };
  // By index alone, for records name accounts so. "#17" for an index that is no account, as in a
  // refusal that named an account which was missing.
  const Known& of(Account account);
  std::string amount(Account account, Amount amount);

 private:
  const Book& book_;
  std::unordered_map<uint32_t, Known> known_;
};

}  // namespace casbook::cli
