// Redis: a private server on a Unix socket, a script per payment, the append-only file synced
// before the answer.
#include <csignal>
#include <thread>

#include <hiredis/hiredis.h>
#include <sys/un.h>

#include "durable/peer.h"
#include "served/process.h"

namespace casbook::bench {
namespace {

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
  explicit RedisClient(const std::string& path) : handle_(redisConnectUnix(path.c_str())) {}
  ~RedisClient() override {
    if (handle_) redisFree(handle_);
  }
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  bool prepare() {
    if (!handle_ || handle_->err) return false;
    script_ = text(redisCommand(handle_, "SCRIPT LOAD %s", kPay));
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
    const std::string answer =
        text(redisCommand(handle_, "EVALSHA %s 3 p%llu a%u a%u %lld", script_.c_str(),
                          static_cast<unsigned long long>(order.id), order.from, order.to,
                          static_cast<long long>(order.amount)));
    if (answer == "paid") return Answer::paid;
    if (answer == "replayed") return Answer::replayed;
    return answer == "refused" ? Answer::refused : Answer::failed;
  }
  int64_t funds(uint32_t account) override {
    const std::string funds = text(redisCommand(handle_, "GET a%u", account));
    return funds.empty() ? -1 : std::strtoll(funds.c_str(), nullptr, 10);
  }

 private:
  // What a reply says; empty: nothing, or an error.
  static std::string text(void* raw) {
    auto* reply = static_cast<redisReply*>(raw);
    if (!reply) return {};
    std::string said;
    if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
      said.assign(reply->str, static_cast<size_t>(reply->len));
    freeReplyObject(reply);
    return said;
  }

  redisContext* handle_;
  std::string script_;
};

class Redis : public Peer {
 public:
  ~Redis() override { server_.stop(SIGKILL); }

  std::string start(const std::string& folder, uint32_t accounts) override {
    path_ = folder + "/socket";
    if (path_.size() >= sizeof(sockaddr_un{}.sun_path))
      return "the folder's path is too long for a socket";
    const std::string said = folder + "/server.log";
    server_ = Process({.words = {"redis-server", "--port", "0", "--unixsocket", path_, "--dir",
                                 folder, "--appendonly", "yes", "--appendfsync", "always", "--save",
                                 "", "--daemonize", "no"},
                       .output = said});
    for (const int64_t until = now_ns() + 10'000'000'000; now_ns() < until;) {
      if (!server_.is_running()) {
        const std::string why = last_line(said);
        return why.empty() ? "redis-server could not be run" : "the server ended: " + why;
      }
      RedisClient client(path_);
      if (client.prepare()) return client.fund(accounts) ? "" : "the accounts could not be funded";
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return "the server was not ready within 10 s";
  }
  std::unique_ptr<Client> connect() override {
    auto client = std::make_unique<RedisClient>(path_);
    if (!client->prepare()) return nullptr;
    return client;
  }

 private:
  Process server_;
  std::string path_;
};

}  // namespace

std::unique_ptr<Peer> make_redis() { return std::make_unique<Redis>(); }

}  // namespace casbook::bench
