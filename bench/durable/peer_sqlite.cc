// SQLite in the caller's process: a write-ahead log, synced at every commit.
#include <sqlite3.h>

#include "durable/peer.h"

namespace casbook::bench {
namespace {

class Database {
 public:
  explicit Database(const std::string& path) {
    if (sqlite3_open(path.c_str(), &handle_) != SQLITE_OK) failed_ = true;
    sqlite3_busy_timeout(handle_, 60'000);
    run("PRAGMA journal_mode=WAL");
    run("PRAGMA synchronous=FULL");
  }
  ~Database() { sqlite3_close_v2(handle_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  bool run(const char* sql) {
    const bool ok = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
    failed_ |= !ok;
    return ok;
  }
  bool has_failed() const { return failed_; }
  const char* message() const { return sqlite3_errmsg(handle_); }
  sqlite3* handle() const { return handle_; }

 private:
  sqlite3* handle_ = nullptr;
  bool failed_ = false;
};

class Statement {
 public:
  Statement(const Database& database, const char* sql) {
    sqlite3_prepare_v3(database.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT, &handle_, nullptr);
  }
  ~Statement() { sqlite3_finalize(handle_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  template <class... Values>
  int run(Values... values) {
    int at = 0;
    (sqlite3_bind_int64(handle_, ++at, static_cast<sqlite3_int64>(values)), ...);
    const int status = sqlite3_step(handle_);
    value_ = status == SQLITE_ROW ? sqlite3_column_int64(handle_, 0) : -1;
    sqlite3_reset(handle_);
    return status;
  }
  int64_t value() const { return value_; }

 private:
  sqlite3_stmt* handle_ = nullptr;
  int64_t value_ = -1;
};

class SqliteClient : public Client {
 public:
  explicit SqliteClient(const std::string& path)
      : database_(path),
        begin_(database_, "BEGIN IMMEDIATE"),
        commit_(database_, "COMMIT"),
        rollback_(database_, "ROLLBACK"),
        note_(database_, "INSERT INTO payment VALUES (?1, ?2, ?3, ?4)"),
        debit_(database_,
               "UPDATE account SET balance = balance - ?1 WHERE id = ?2 AND balance >= ?1"),
        credit_(database_, "UPDATE account SET balance = balance + ?1 WHERE id = ?2"),
        read_(database_, "SELECT balance FROM account WHERE id = ?1") {}

  Answer pay(const Order& order) override {
    if (begin_.run() != SQLITE_DONE) return Answer::failed;
    if (note_.run(order.id, order.from, order.to, order.amount) == SQLITE_CONSTRAINT)
      return give_up(Answer::replayed);
    if (debit_.run(order.amount, order.from) != SQLITE_DONE) return give_up(Answer::failed);
    if (sqlite3_changes(database_.handle()) != 1) return give_up(Answer::refused);
    if (credit_.run(order.amount, order.to) != SQLITE_DONE) return give_up(Answer::failed);
    return commit_.run() == SQLITE_DONE ? Answer::paid : give_up(Answer::failed);
  }
  int64_t funds(uint32_t account) override {
    read_.run(account);
    return read_.value();
  }

 private:
  Answer give_up(Answer answer) { return rollback_.run(), answer; }

  Database database_;
  Statement begin_, commit_, rollback_, note_, debit_, credit_, read_;
};

class Sqlite : public Peer {
 public:
  std::string start(const std::string& folder, uint32_t accounts) override {
    path_ = folder + "/book.sqlite";
    Database database(path_);
    database.run("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)");
    database.run(
        "CREATE TABLE payment (id INTEGER PRIMARY KEY, debit INTEGER, credit INTEGER, "
        "amount INTEGER)");
    database.run("BEGIN");
    {
      Statement fund(database, "INSERT INTO account VALUES (?1, ?2)");
      for (uint32_t i = 0; i < accounts; ++i) fund.run(i, kPeerFunds);
    }
    database.run("COMMIT");
    return database.has_failed() ? database.message() : "";
  }
  std::unique_ptr<Client> connect() override { return std::make_unique<SqliteClient>(path_); }

 private:
  std::string path_;
};

}  // namespace

std::unique_ptr<Peer> make_sqlite() { return std::make_unique<Sqlite>(); }

}  // namespace casbook::bench
