// What a user's first program does: a book, two accounts, one payment, one balance.
#include <cstdio>
#include <string>

#include <casbook/book.h>

int main(int, char** arguments) {  // DIRECTORY NAME
  auto book = casbook::Book::create(arguments[2], {.directory = arguments[1], .accounts = 16});
  if (!book) return std::puts(book.error().message().c_str()), 1;
  auto session = book->open_session();
  if (!session || !session->open_ledger("EUR", 2)) return 2;
  auto issuer = session->open_account("issuer", {.ledger = "EUR", .min_available = -1000});
  auto customer = session->open_account("customer", {.ledger = "EUR"});
  if (!issuer || !customer) return 3;
  auto receipt = session->pay({.id = "payment-1", .postings = {{*issuer, -250}, {*customer, 250}}});
  if (!receipt) return std::puts(receipt.error().message().c_str()), 4;
  auto balance = session->balance(*customer);
  return balance && balance->available == 250 ? 0 : 5;
}
