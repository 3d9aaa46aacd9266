// Redis: locks by SET NX PX, given back by a plain DEL or by the script that compares the token;
// and the whole transfer as a script, which needs no lock. Each on a server that keeps everything
// in memory, and on one that syncs its append-only file before it answers. Each design has a
// database of its own.
#include <sys/time.h>

#include "durable/redis_reply.h"
#include "peers/designs.h"
#include "peers/endpoint.h"
#include "peers/pause.h"

namespace casbook::peers {
namespace {

using bench::number_of;
using bench::text_of;

enum class How : uint8_t { plain_delete, token, script };

constexpr const char* kFund = R"(
  for i = 0, tonumber(ARGV[1]) - 1 do redis.call('SET', 'a' .. i, ARGV[2]) end)";
// KEYS: the locks; ARGV: the token.
constexpr const char* kRelease = R"(
  local freed = 0
  for _, key in ipairs(KEYS) do
    if redis.call('GET', key) == ARGV[1] then freed = freed + redis.call('DEL', key) end
  end
  return freed)";
// KEYS: payment, payer, payee; ARGV: amount.
constexpr const char* kPay = R"(
  if redis.call('EXISTS', KEYS[1]) == 1 then return 'replayed' end
  if tonumber(redis.call('GET', KEYS[2])) < tonumber(ARGV[1]) then return 'refused' end
  redis.call('DECRBY', KEYS[2], ARGV[1])
  redis.call('INCRBY', KEYS[3], ARGV[1])
  redis.call('SET', KEYS[1], ARGV[1])
  return 'paid')";
constexpr const char* kAudit = R"(
  local sum = 0
  for i = 0, tonumber(ARGV[1]) - 1 do sum = sum + tonumber(redis.call('GET', 'a' .. i)) end
  return sum)";
constexpr const char* kCountLocks = "return #redis.call('KEYS', 'l*')";
// An expiry is a time of the server's wall clock.
constexpr const char* kAge = R"(
  for _, key in ipairs(redis.call('KEYS', 'l*')) do
    local at = redis.call('PEXPIRETIME', key)
    if at > 0 then redis.call('PEXPIREAT', key, at - tonumber(ARGV[1])) end
  end)";

class RedisCaller : public Caller {
 public:
  RedisCaller(const Endpoint& server, How how, const Shape& shape, int database)
      : how_(how), shape_(shape) {
    constexpr timeval kPatience{.tv_sec = 60};
    handle_ = redisConnectWithTimeout(server.host.c_str(), server.port, kPatience);
    if (!handle_ || handle_->err) return;
    redisSetTimeout(handle_, kPatience);
    is_ready_ = text_of(redisCommand(handle_, "SELECT %d", database)) == "OK" &&
                load(kRelease, release_) && load(kPay, pay_);
    token_ = std::to_string(getpid()) + "." + std::to_string(bench::now_ns());
  }
  ~RedisCaller() override {
    if (handle_) redisFree(handle_);
  }
  RedisCaller(const RedisCaller&) = delete;
  RedisCaller& operator=(const RedisCaller&) = delete;

  bool is_ready() const { return is_ready_; }
  bool fund() {
    return text_of(redisCommand(handle_, "FLUSHDB")) == "OK" &&
           is_done(redisCommand(handle_, "EVAL %s 0 %u %lld", kFund, shape_.accounts,
                                static_cast<long long>(shape_.funds)));
  }
  bool age_locks(int64_t ms) {
    return is_done(redisCommand(handle_, "EVAL %s 0 %lld", kAge, static_cast<long long>(ms)));
  }
  std::string setting(const char* name) {
    auto* reply = static_cast<redisReply*>(redisCommand(handle_, "CONFIG GET %s", name));
    const bool has_value = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2;
    const std::string value = has_value ? reply->element[1]->str : "";
    freeReplyObject(reply);
    return value;
  }

  Answer pay(const Transfer& transfer, const StepHook& hook) override {
    if (how_ == How::script) return pay_by_script(transfer, hook);
    if (!lock_pair(transfer.from, transfer.to)) return Answer::busy;
    const Answer answer = pay_locked(transfer, hook);
    return unlock_pair(transfer.from, transfer.to) ? answer : Answer::failed;
  }
  bool lock_unlock(uint32_t a, uint32_t b) override {
    return how_ != How::script && lock_pair(a, b) && unlock_pair(a, b);
  }
  bool floor_round() override { return text_of(redisCommand(handle_, "PING")) == "PONG"; }
  int64_t funds(uint32_t account) override {
    const std::string text = text_of(redisCommand(handle_, "GET a%u", account));
    return text.empty() ? -1 : std::strtoll(text.c_str(), nullptr, 10);
  }
  bool is_noted(uint64_t id) override {
    return number_of(redisCommand(handle_, "EXISTS p%llu", as_printed(id))) == 1;
  }
  Audit audit() override {
    const long long sum = number_of(redisCommand(handle_, "EVAL %s 0 %u", kAudit, shape_.accounts));
    const long long keys = number_of(redisCommand(handle_, "DBSIZE"));
    const long long noted = keys - static_cast<long long>(shape_.accounts) - locks();
    return {.funds = sum, .noted = static_cast<uint64_t>(noted)};
  }

 private:
  // Locks that dead holders have left, until their TTL is over.
  long long locks() { return number_of(redisCommand(handle_, "EVAL %s 0", kCountLocks)); }
  static unsigned long long as_printed(uint64_t id) { return id; }
  static bool is_done(void* raw) {
    const bool is_done = raw && static_cast<redisReply*>(raw)->type != REDIS_REPLY_ERROR;
    freeReplyObject(raw);
    return is_done;
  }
  bool load(const char* script, std::string& digest) {
    digest = text_of(redisCommand(handle_, "SCRIPT LOAD %s", script));
    return digest.size() == 40;
  }

  Answer pay_by_script(const Transfer& transfer, const StepHook& hook) {
    hook(Step::locked);
    hook(Step::checked);
    hook(Step::half_moved);
    const std::string answer = text_of(redisCommand(
        handle_, "EVALSHA %s 3 p%llu a%u a%u %lld", pay_.c_str(), as_printed(transfer.id),
        transfer.from, transfer.to, static_cast<long long>(transfer.amount)));
    if (answer == "replayed") return Answer::replayed;
    if (answer == "refused") return Answer::refused;
    if (answer != "paid") return Answer::failed;
    hook(Step::moved);
    hook(Step::noted);
    return Answer::paid;
  }
  Answer pay_locked(const Transfer& transfer, const StepHook& hook) {
    hook(Step::locked);
    const auto amount = static_cast<long long>(transfer.amount);
    auto* seen = static_cast<redisReply*>(
        redisCommand(handle_, "MGET p%llu a%u", as_printed(transfer.id), transfer.from));
    if (!seen || seen->type != REDIS_REPLY_ARRAY || seen->elements != 2)
      return freeReplyObject(seen), Answer::failed;
    const bool is_known = seen->element[0]->type == REDIS_REPLY_STRING;
    const long long funds =
        seen->element[1]->str ? std::strtoll(seen->element[1]->str, nullptr, 10) : 0;
    freeReplyObject(seen);
    if (is_known) return Answer::replayed;
    if (funds < amount) return Answer::refused;
    hook(Step::checked);
    hook(Step::half_moved);
    redisAppendCommand(handle_, "MULTI");
    redisAppendCommand(handle_, "DECRBY a%u %lld", transfer.from, amount);
    redisAppendCommand(handle_, "INCRBY a%u %lld", transfer.to, amount);
    redisAppendCommand(handle_, "EXEC");
    for (int i = 0; i < 4; ++i)
      if (!is_next_done()) return Answer::failed;
    hook(Step::moved);
    if (text_of(redisCommand(handle_, "SET p%llu %lld", as_printed(transfer.id), amount)) != "OK")
      return Answer::failed;
    hook(Step::noted);
    return Answer::paid;
  }
  bool is_next_done() {
    void* reply = nullptr;
    return redisGetReply(handle_, &reply) == REDIS_OK && is_done(reply);
  }

  bool lock_pair(uint32_t a, uint32_t b) {
    Polling polling(shape_.patience_ms);
    if (!lock(std::min(a, b), polling)) return false;
    if (lock(std::max(a, b), polling)) return true;
    unlock_one(std::min(a, b));
    return false;
  }
  bool lock(uint32_t account, Polling& polling) {
    do {
      if (text_of(redisCommand(handle_, "SET l%u %s NX PX %lld", account, token_.c_str(),
                               static_cast<long long>(shape_.ttl_ms))) == "OK")
        return true;
    } while (!handle_->err && polling.wait());
    return false;
  }
  void unlock_one(uint32_t account) { unlock_pair(account, account); }
  // By the plain DEL whatever is there goes; by the script what is ours.
  bool unlock_pair(uint32_t a, uint32_t b) {
    return number_of(how_ == How::plain_delete
                         ? redisCommand(handle_, "DEL l%u l%u", a, b)
                         : redisCommand(handle_, "EVALSHA %s 2 l%u l%u %s", release_.c_str(), a, b,
                                        token_.c_str())) >= 0;
  }

  redisContext* handle_ = nullptr;
  How how_;
  const Shape& shape_;
  std::string token_, release_, pay_;
  bool is_ready_ = false;
};

About about_of(How how, bool is_durable) {
  About about{.name = "redis-lock",
              .group = Group::redis,
              .is_durable = is_durable,
              .has_lock = how != How::script,
              .uses_ttl = how != How::script,
              .floor = "one round trip (PING)",
              .store = "the same Redis",
              .work =
                  "SET NX PX for each account, given back by DEL; DECRBY and INCRBY in MULTI, the "
                  "id by SET",
              .death = "the TTL, by the server's wall clock"};
  if (how == How::token) {
    about.name = "redis-token";
    about.work = "as redis-lock, given back by a script that compares the token";
  } else if (how == How::script) {
    about.name = "redis-script";
    about.form = Form::safe;
    about.work = "the whole transfer in one script; no lock";
    about.death = "nobody has to: the script runs whole";
  }
  if (is_durable) about.name += "-durable";
  return about;
}

class Redis : public Design {
 public:
  Redis(How how, bool is_durable) : Design(about_of(how, is_durable)), how_(how) {}

  std::unique_ptr<Caller> connect() override {
    auto caller = std::make_unique<RedisCaller>(server_, how_, shape(), database());
    if (!caller->is_ready()) return nullptr;
    return caller;
  }
  bool step_clock(int64_t ms) override {
    RedisCaller caller(server_, how_, shape(), database());
    return about().has_lock && caller.is_ready() && caller.age_locks(ms);
  }

 private:
  int database() const { return static_cast<int>(how_); }
  std::string make() override {
    server_ = endpoint(about().is_durable ? "CASBOOK_PEER_REDIS_DURABLE" : "CASBOOK_PEER_REDIS");
    if (!server_.why.empty()) return server_.why;
    RedisCaller caller(server_, how_, shape(), database());
    if (!caller.is_ready())
      return "no Redis at " + server_.host + ":" + std::to_string(server_.port);
    const bool is_synced =
        caller.setting("appendonly") == "yes" && caller.setting("appendfsync") == "always";
    if (is_synced != about().is_durable)
      return std::string("that Redis is ") + (is_synced ? "" : "not ") +
             "one that syncs each answer";
    return caller.fund() ? "" : "the accounts could not be funded";
  }

  How how_;
  Endpoint server_;
};

}  // namespace

std::unique_ptr<Design> make_redis_lock() {
  return std::make_unique<Redis>(How::plain_delete, false);
}
std::unique_ptr<Design> make_redis_token() { return std::make_unique<Redis>(How::token, false); }
std::unique_ptr<Design> make_redis_script() { return std::make_unique<Redis>(How::script, false); }
std::unique_ptr<Design> make_redis_lock_durable() {
  return std::make_unique<Redis>(How::plain_delete, true);
}
std::unique_ptr<Design> make_redis_token_durable() {
  return std::make_unique<Redis>(How::token, true);
}
std::unique_ptr<Design> make_redis_script_durable() {
  return std::make_unique<Redis>(How::script, true);
}

}  // namespace casbook::peers
