// LMDB in the caller's process: one writer at a time, synced at every commit.
#include <lmdb.h>

#include "durable/peer.h"

namespace casbook::bench {
namespace {

constexpr size_t kMapBytes = 4ull << 30;

struct Environment {
  MDB_env* handle = nullptr;
  MDB_dbi accounts = 0, payments = 0;
  ~Environment() { mdb_env_close(handle); }
};

template <class T>
MDB_val value_of(T& item) {
  return {sizeof(item), &item};
}

class Transaction {
 public:
  Transaction(const Environment& environment, unsigned flags) : environment_(environment) {
    failed_ = mdb_txn_begin(environment.handle, nullptr, flags, &handle_) != 0;
  }
  ~Transaction() {
    if (handle_) mdb_txn_abort(handle_);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  int64_t balance(uint32_t account) {
    MDB_val key = value_of(account), value{};
    if (failed_ || mdb_get(handle_, environment_.accounts, &key, &value) != 0) return -1;
    return *static_cast<const int64_t*>(value.mv_data);
  }
  void set_balance(uint32_t account, int64_t balance) {
    MDB_val key = value_of(account), value = value_of(balance);
    failed_ |= mdb_put(handle_, environment_.accounts, &key, &value, 0) != 0;
  }
  // False: it is there already.
  bool note(Order order) {
    MDB_val key = value_of(order.id), value = value_of(order);
    if (failed_) return true;
    const int status = mdb_put(handle_, environment_.payments, &key, &value, MDB_NOOVERWRITE);
    failed_ |= status != 0 && status != MDB_KEYEXIST;
    return status != MDB_KEYEXIST;
  }
  bool commit() {
    if (failed_) return false;
    MDB_txn* const ended = handle_;
    handle_ = nullptr;
    return mdb_txn_commit(ended) == 0;
  }
  MDB_txn* handle() const { return handle_; }

 private:
  const Environment& environment_;
  MDB_txn* handle_ = nullptr;
  bool failed_ = false;
};

class LmdbClient : public Client {
 public:
  explicit LmdbClient(const Environment& environment) : environment_(environment) {}

  Answer pay(const Order& order) override {
    Transaction transaction(environment_, 0);
    if (!transaction.note(order)) return Answer::replayed;
    const int64_t funds = transaction.balance(order.from);
    if (funds < order.amount) return funds < 0 ? Answer::failed : Answer::refused;
    transaction.set_balance(order.from, funds - order.amount);
    transaction.set_balance(order.to, transaction.balance(order.to) + order.amount);
    return transaction.commit() ? Answer::paid : Answer::failed;
  }
  int64_t funds(uint32_t account) override {
    return Transaction(environment_, MDB_RDONLY).balance(account);
  }

 private:
  const Environment& environment_;
};

class Lmdb : public Peer {
 public:
  std::string start(const std::string& folder, uint32_t accounts) override {
    if (int status = mdb_env_create(&environment_.handle); status != 0) return mdb_strerror(status);
    mdb_env_set_mapsize(environment_.handle, kMapBytes);
    mdb_env_set_maxdbs(environment_.handle, 2);
    if (int status = mdb_env_open(environment_.handle, folder.c_str(), 0, 0600); status != 0)
      return mdb_strerror(status);
    Transaction transaction(environment_, 0);
    for (auto [name, database] : {std::pair{"accounts", &environment_.accounts},
                                  std::pair{"payments", &environment_.payments}}) {
      const unsigned flags = MDB_CREATE | MDB_INTEGERKEY;
      if (int status = mdb_dbi_open(transaction.handle(), name, flags, database); status != 0)
        return mdb_strerror(status);
    }
    for (uint32_t i = 0; i < accounts; ++i) transaction.set_balance(i, kPeerFunds);
    return transaction.commit() ? "" : "the accounts could not be written";
  }
  std::unique_ptr<Client> connect() override { return std::make_unique<LmdbClient>(environment_); }

 private:
  Environment environment_;
};

}  // namespace

std::unique_ptr<Peer> make_lmdb() { return std::make_unique<Lmdb>(); }

}  // namespace casbook::bench
