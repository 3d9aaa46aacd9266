// What every PostgreSQL among the peers is made of.
#pragma once

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include <libpq-fe.h>
#include <pwd.h>
#include <unistd.h>

#include "durable/peer.h"
#include "served/process.h"

namespace casbook::bench {

constexpr const char* kServerUsers[] = {"postgres", "nobody"};  // it refuses to run as root

constexpr const char* kSchema = R"(
  CREATE TABLE account (id bigint PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50);
  CREATE TABLE payment (id bigint PRIMARY KEY, debit bigint, credit bigint, amount bigint);
  CREATE FUNCTION pay(payment_id bigint, payer bigint, payee bigint, sum bigint) RETURNS text AS $$
  BEGIN
    INSERT INTO payment VALUES (payment_id, payer, payee, sum);
    PERFORM 1 FROM account WHERE id IN (payer, payee) ORDER BY id FOR UPDATE;
    UPDATE account SET balance = balance - sum WHERE id = payer AND balance >= sum;
    IF NOT FOUND THEN RAISE EXCEPTION 'refused' USING ERRCODE = 'P0001'; END IF;
    UPDATE account SET balance = balance + sum WHERE id = payee;
    RETURN 'paid';
  END $$ LANGUAGE plpgsql;
)";

// The newest that is installed; empty: none.
inline std::string find_programs() {
  std::error_code ignored;
  std::vector<std::string> found;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored))
    if (access((version.path() / "bin/initdb").c_str(), X_OK) == 0)
      found.push_back((version.path() / "bin/").string());
  const auto by_version = [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  };
  return found.empty() ? "" : *std::max_element(found.begin(), found.end(), by_version);
}

class Connection {
 public:
  explicit Connection(const std::string& target) : handle_(PQconnectdb(target.c_str())) {
    PQsetNoticeProcessor(
        handle_, [](void*, const char*) {}, nullptr);
  }
  ~Connection() { PQfinish(handle_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool is_open() const { return PQstatus(handle_) == CONNECTION_OK; }
  bool run(const std::string& sql) {
    PGresult* result = PQexec(handle_, sql.c_str());
    const auto status = PQresultStatus(result);
    PQclear(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
  }
  // Of the first row; empty: none.
  std::string value(const char* sql) {
    PGresult* result = PQexec(handle_, sql);
    const std::string text = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
    PQclear(result);
    return text;
  }
  bool prepare(const char* name, const char* sql) {
    PGresult* result = PQprepare(handle_, name, sql, 0, nullptr);
    const auto status = PQresultStatus(result);
    PQclear(result);
    return status == PGRES_COMMAND_OK;
  }
  // The caller clears it.
  PGresult* run_prepared(const char* name, const std::vector<std::string>& values) {
    const char* texts[8];
    for (size_t i = 0; i < values.size(); ++i) texts[i] = values[i].c_str();
    return PQexecPrepared(handle_, name, static_cast<int>(values.size()), texts, nullptr, nullptr,
                          0);
  }
  std::string message() const { return PQerrorMessage(handle_); }

 private:
  PGconn* handle_;
};

class PostgresClient : public Client {
 public:
  explicit PostgresClient(const std::string& target) : connection_(target) {}
  bool prepare() {
    return connection_.is_open() && connection_.prepare("pay", "SELECT pay($1, $2, $3, $4)") &&
           connection_.prepare("read", "SELECT balance FROM account WHERE id = $1");
  }

  Answer pay(const Order& order) override {
    PGresult* result =
        connection_.run_prepared("pay", {std::to_string(order.id), std::to_string(order.from),
                                         std::to_string(order.to), std::to_string(order.amount)});
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    Answer answer = Answer::failed;
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
      answer = Answer::paid;
    else if (state && std::string(state) == "23505")
      answer = Answer::replayed;
    else if (state && std::string(state) == "P0001")
      answer = Answer::refused;
    PQclear(result);
    return answer;
  }
  int64_t funds(uint32_t account) override {
    PGresult* result = connection_.run_prepared("read", {std::to_string(account)});
    const int64_t funds =
        PQntuples(result) == 1 ? std::strtoll(PQgetvalue(result, 0, 0), nullptr, 10) : -1;
    PQclear(result);
    return funds;
  }

 private:
  Connection connection_;
};

// The folder becomes that of the user that the server runs as; null: this one. What is in the way.
inline std::string give_to_server(const std::string& folder, const char*& user) {
  user = nullptr;
  if (geteuid() != 0) return {};
  for (const char* name : kServerUsers)
    if (!user && getpwnam(name)) user = name;
  if (!user) return "runs as root, and there is no user for the server";
  const passwd* entry = getpwnam(user);
  return chown(folder.c_str(), entry->pw_uid, entry->pw_gid) == 0 ? "" : "chown failed";
}

// Until the server answers; then the accounts are made. What is in the way.
inline std::string wait_and_fill(Process& server, const std::string& target, uint32_t accounts,
                                 const std::string& said) {
  for (const int64_t until = now_ns() + 30'000'000'000; now_ns() < until;) {
    if (!server.is_running()) return "the server ended: " + last_line(said);
    Connection connection(target);
    if (!connection.is_open()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      continue;
    }
    const bool filled =
        connection.run(kSchema) &&
        connection.run("INSERT INTO account SELECT i, " + std::to_string(kPeerFunds) +
                       " FROM generate_series(0, " + std::to_string(accounts - 1) + ") i") &&
        connection.run("VACUUM ANALYZE account") && connection.run("CHECKPOINT");
    return filled ? "" : connection.message();
  }
  return "the server was not ready within 30 s";
}

}  // namespace casbook::bench
