// What every Redis among the peers is made of.
#pragma once

#include <chrono>
#include <thread>

#include "durable/peer.h"
#include "durable/redis_reply.h"
#include "served/process.h"

namespace casbook::bench {

// KEYS: payment, payer, payee; ARGV: amount.
constexpr const char* kPay = R"(
  if redis.call('EXISTS', KEYS[1]) == 1 then return 'replayed' end
  if tonumber(redis.call('GET', KEYS[2])) < tonumber(ARGV[1]) then return 'refused' end
  redis.call('SET', KEYS[1], KEYS[2] .. ' ' .. KEYS[3] .. ' ' .. ARGV[1])
  redis.call('DECRBY', KEYS[2], ARGV[1])
  redis.call('INCRBY', KEYS[3], ARGV[1])
  return 'paid')";
constexpr const char* kFund = R"(
  for i = 0, tonumber(ARGV[1]) - 1 do redis.call('SET', 'a' .. i, ARGV[2]) end)";

class RedisClient : public Client {
 public:
  // `replicas`: an answer counts when so many have it as well.
  explicit RedisClient(const std::string& path, uint32_t replicas = 0)
      : handle_(redisConnectUnix(path.c_str())), replicas_(replicas) {}
  ~RedisClient() override {
    if (handle_) redisFree(handle_);
  }
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  bool prepare() {
    if (!handle_ || handle_->err) return false;
    script_ = text_of(redisCommand(handle_, "SCRIPT LOAD %s", kPay));
    return script_.size() == 40;
  }
  bool fund(uint32_t accounts) {
    void* reply = redisCommand(handle_, "EVAL %s 0 %u %lld", kFund, accounts,
                               static_cast<long long>(kPeerFunds));
    const bool ok = reply && static_cast<redisReply*>(reply)->type != REDIS_REPLY_ERROR;
    freeReplyObject(reply);
    return ok;
  }

  Answer pay(const Order& order) override {
    redisAppendCommand(handle_, "EVALSHA %s 3 p%llu a%u a%u %lld", script_.c_str(),
                       static_cast<unsigned long long>(order.id), order.from, order.to,
                       static_cast<long long>(order.amount));
    if (replicas_ > 0) redisAppendCommand(handle_, "WAIT %u 10000", replicas_);
    const std::string answer = text_of(next_reply());
    if (replicas_ > 0 && number_of(next_reply()) < replicas_) return Answer::failed;
    if (answer == "paid") return Answer::paid;
    if (answer == "replayed") return Answer::replayed;
    return answer == "refused" ? Answer::refused : Answer::failed;
  }
  int64_t funds(uint32_t account) override {
    const std::string funds = text_of(redisCommand(handle_, "GET a%u", account));
    return funds.empty() ? -1 : std::strtoll(funds.c_str(), nullptr, 10);
  }

 private:
  void* next_reply() {
    void* reply = nullptr;
    return redisGetReply(handle_, &reply) == REDIS_OK ? reply : nullptr;
  }

  redisContext* handle_;
  uint32_t replicas_;
  std::string script_;
};

// Until the server answers; then the accounts are made. What is in the way.
inline std::string wait_and_fund(Process& server, const std::string& path, uint32_t accounts,
                                 const std::string& said) {
  for (const int64_t until = now_ns() + 10'000'000'000; now_ns() < until;) {
    if (!server.is_running()) {
      const std::string why = last_line(said);
      return why.empty() ? "redis-server could not be run" : "the server ended: " + why;
    }
    RedisClient client(path);
    if (client.prepare()) return client.fund(accounts) ? "" : "the accounts could not be funded";
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return "the server was not ready within 10 s";
}

}  // namespace casbook::bench
