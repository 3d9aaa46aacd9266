// The money in PostgreSQL, for the designs that lock there and for those whose lock is elsewhere.
// Each design has a schema of its own on the server.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "durable/postgres_client.h"
#include "peers/design.h"
#include "peers/endpoint.h"

namespace casbook::peers {

constexpr const char* kPostgresVariable = "CASBOOK_PEER_POSTGRES";

// A statement's rows, and whether it was done.
struct Rows {
  bool is_done = false;
  std::string state{};  // SQLSTATE where not
  std::vector<std::vector<int64_t>> values{};
  uint64_t changed = 0;

  bool has(size_t count) const { return is_done && values.size() == count; }
};

constexpr const char* kUniqueViolation = "23505";
constexpr const char* kLockNotAvailable = "55P03";
constexpr const char* kRaised = "P0001";

class PostgresStore {
 public:
  // `name`: of the design; its schema.
  explicit PostgresStore(const std::string& name)
      : schema_(schema_of(name)), connection_(endpoint_text(kPostgresVariable)) {}

  // Makes schema and accounts anew. `has_unique_id`: payment.id is a primary key, else only
  // indexed.
  std::string make(const Shape& shape, bool has_unique_id) {
    if (endpoint_text(kPostgresVariable).empty()) return not_set(kPostgresVariable);
    if (!connection_.is_open()) return connection_.message();
    const std::string accounts = std::to_string(shape.accounts - 1);
    for (const std::string& sql :
         {std::string(kQuiet), "DROP SCHEMA IF EXISTS " + schema_ + " CASCADE",
          "CREATE SCHEMA " + schema_, use(),
          std::string(
              "CREATE TABLE account (id bigint PRIMARY KEY, balance bigint NOT NULL, version "
              "bigint NOT NULL, fence bigint NOT NULL) WITH (fillfactor = 50)"),
          std::string(
              "CREATE TABLE payment (id bigint NOT NULL, debit bigint, credit bigint, amount "
              "bigint)"),
          std::string(has_unique_id ? "ALTER TABLE payment ADD PRIMARY KEY (id)"
                                    : "CREATE INDEX ON payment (id)"),
          "INSERT INTO account SELECT i, " + std::to_string(shape.funds) +
              ", 0, 0 FROM generate_series(0, " + accounts + ") i",
          std::string("VACUUM ANALYZE account")})
      if (!connection_.run(sql)) return connection_.message();
    return {};
  }
  void drop() {
    if (connection_.is_open() && connection_.run(kQuiet))
      connection_.run("DROP SCHEMA IF EXISTS " + schema_ + " CASCADE");
  }
  // Before anything below. Statements of the caller's own may be prepared after it.
  bool open() {
    return connection_.is_open() && connection_.run(use()) && prepare("begin", "BEGIN") &&
           prepare("commit", "COMMIT") && prepare("rollback", "ROLLBACK") &&
           prepare("ping", "SELECT 1") &&
           prepare("is_noted", "SELECT 1 FROM payment WHERE id = $1") &&
           prepare("funds", "SELECT balance FROM account WHERE id = $1") &&
           prepare("both",
                   "SELECT balance, version FROM account WHERE id IN ($1, $2) ORDER BY id") &&
           prepare("set", "UPDATE account SET balance = $2 WHERE id = $1") &&
           prepare("add", "UPDATE account SET balance = balance + $2 WHERE id = $1") &&
           prepare("note", "INSERT INTO payment VALUES ($1, $2, $3, $4)");
  }
  // For the safe forms: nobody keeps rows locked, or waits for them, for longer than that.
  bool set_limits(const Shape& shape) {
    return run("SET idle_in_transaction_session_timeout = " + std::to_string(shape.ttl_ms)) &&
           run("SET lock_timeout = " + std::to_string(shape.patience_ms));
  }
  bool prepare(const char* name, const char* sql) { return connection_.prepare(name, sql); }
  bool run(const std::string& sql) { return connection_.run(sql); }

  Rows ask(const char* statement, const std::vector<int64_t>& values = {}) {
    std::vector<std::string> texts;
    for (const int64_t value : values) texts.push_back(std::to_string(value));
    PGresult* result = connection_.run_prepared(statement, texts);
    const auto status = PQresultStatus(result);
    Rows rows{.is_done = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK};
    if (const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE)) rows.state = state;
    for (int row = 0; row < PQntuples(result); ++row) {
      rows.values.emplace_back();
      for (int field = 0; field < PQnfields(result); ++field)
        rows.values.back().push_back(std::strtoll(PQgetvalue(result, row, field), nullptr, 10));
    }
    rows.changed = std::strtoull(PQcmdTuples(result), nullptr, 10);
    PQclear(result);
    return rows;
  }
  bool is_done(const char* statement, const std::vector<int64_t>& values = {}) {
    return ask(statement, values).is_done;
  }
  Answer give_up(Answer answer) { return is_done("rollback") ? answer : Answer::failed; }
  Rows note(const Transfer& transfer) {
    return ask("note",
               {static_cast<int64_t>(transfer.id), transfer.from, transfer.to, transfer.amount});
  }

  int64_t funds(uint32_t account) {
    const Rows rows = ask("funds", {account});
    return rows.has(1) ? rows.values[0][0] : -1;
  }
  bool is_noted(uint64_t id) { return !ask("is_noted", {static_cast<int64_t>(id)}).values.empty(); }
  // Ids, not rows: a payment that is noted twice counts once.
  Audit audit() {
    const auto number = [&](const char* sql) {
      const std::string text = connection_.value(sql);
      return text.empty() ? -1 : std::strtoll(text.c_str(), nullptr, 10);
    };
    const int64_t funds = number("SELECT sum(balance) FROM account");
    return {.funds = funds,
            .noted = static_cast<uint64_t>(number("SELECT count(DISTINCT id) FROM payment"))};
  }

 private:
  static constexpr const char* kQuiet = "SET client_min_messages = warning";

  static std::string schema_of(std::string name) {
    for (char& letter : name)
      if (letter == '-') letter = '_';
    return name;
  }
  std::string use() const { return "SET search_path = " + schema_; }

  std::string schema_;
  bench::Connection connection_;
};

// What all callers with the money there share.
class PostgresCaller : public Caller {
 public:
  explicit PostgresCaller(const std::string& name) : store_(name) {}
  bool floor_round() override { return store_.is_done("ping"); }
  int64_t funds(uint32_t account) override { return store_.funds(account); }
  bool is_noted(uint64_t id) override { return store_.is_noted(id); }
  Audit audit() override { return store_.audit(); }

 protected:
  PostgresStore store_;
};

}  // namespace casbook::peers
