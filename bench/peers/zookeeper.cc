// ZooKeeper: a lock is an ephemeral node of that name, tried again each millisecond; or the lowest
// of ephemeral sequential nodes, whose zxid is the fence that the money's rows keep. The money lies
// in PostgreSQL. In the usual form it is set without a look back; in the safe form each row takes
// the fence when it is read, and refuses a lower one, and the id is unique.
#include <array>
#include <cstring>

#include <zookeeper/zookeeper.h>

#include "peers/designs.h"
#include "peers/pause.h"
#include "peers/postgres_store.h"

namespace casbook::peers {
namespace {

constexpr const char* kVariable = "CASBOOK_PEER_ZOOKEEPER";
constexpr const char* kRoot = "/casbook";

// A session of its own. Its thread keeps it alive as long as the process runs.
class Session {
 public:
  explicit Session(int64_t ttl_ms) : ttl_ms_(ttl_ms) {
    zoo_set_debug_level(static_cast<ZooLogLevel>(0));
    open();
  }
  ~Session() {
    if (handle_) zookeeper_close(handle_);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Another session where the last one has expired.
  bool open() {
    if (handle_) zookeeper_close(handle_);
    handle_ = zookeeper_init(endpoint_text(kVariable).c_str(), nullptr, static_cast<int>(ttl_ms_),
                             nullptr, nullptr, 0);
    constexpr int64_t kPatienceNs = 10'000'000'000;
    for (const int64_t until = bench::now_ns() + kPatienceNs;
         handle_ && zoo_state(handle_) != ZOO_CONNECTED_STATE && bench::now_ns() < until;)
      usleep(1000);
    return is_connected();
  }
  bool is_connected() const { return handle_ && zoo_state(handle_) == ZOO_CONNECTED_STATE; }
  // `made`: its path, with its number where it is sequential.
  int create(const std::string& path, int mode, std::string* made = nullptr,
             Stat* about = nullptr) {
    std::array<char, 256> text{};
    Stat unused;
    const int result =
        zoo_create2(handle_, path.c_str(), "", 0, &ZOO_OPEN_ACL_UNSAFE, mode, text.data(),
                    static_cast<int>(text.size()), about ? about : &unused);
    if (made) *made = text.data();
    return result;
  }
  bool remove(const std::string& path) {
    const int result = zoo_delete(handle_, path.c_str(), -1);
    return result == ZOK || result == ZNONODE;
  }
  bool remove_all(const std::string& path) {
    String_vector children{};
    const int found = zoo_get_children(handle_, path.c_str(), 0, &children);
    if (found == ZNONODE) return true;
    bool is_done = found == ZOK;
    for (int i = 0; i < children.count && is_done; ++i)
      is_done = remove_all(path + "/" + children.data[i]);
    deallocate_String_vector(&children);
    return is_done && remove(path);
  }
  // The children's names; empty: none, or an error.
  std::vector<std::string> children(const std::string& path) {
    String_vector found{};
    std::vector<std::string> names;
    if (zoo_get_children(handle_, path.c_str(), 0, &found) == ZOK)
      for (int i = 0; i < found.count; ++i) names.emplace_back(found.data[i]);
    deallocate_String_vector(&found);
    return names;
  }
  bool has(const std::string& path) { return zoo_exists(handle_, path.c_str(), 0, nullptr) == ZOK; }
  bool round() { return zoo_exists(handle_, "/", 0, nullptr) == ZOK; }

 private:
  int64_t ttl_ms_;
  zhandle_t* handle_ = nullptr;
};

struct Held {
  std::string path;
  int64_t zxid = 0;  // of the node's creation: the fence
};

class ZooKeeperCaller : public PostgresCaller {
 public:
  ZooKeeperCaller(const About& about, const Shape& shape)
      : PostgresCaller(about.name),
        is_fenced_(about.form == Form::safe),
        root_(std::string(kRoot) + "/" + about.name),
        shape_(shape),
        session_(shape.ttl_ms) {}

  bool open() {
    return session_.is_connected() && store_.open() && (!is_fenced_ || store_.set_limits(shape_)) &&
           store_.prepare("take",
                          "UPDATE account SET fence = $2 WHERE id = $1 AND fence <= $2 "
                          "RETURNING balance");
  }
  bool make_root() {
    session_.create(kRoot, ZOO_PERSISTENT);
    return session_.remove_all(root_) && session_.create(root_, ZOO_PERSISTENT) == ZOK;
  }

  Answer pay(const Transfer& transfer, const StepHook& hook) override {
    Held low, high;
    if (!lock_pair(transfer.from, transfer.to, low, high)) return Answer::busy;
    const bool is_payer_first = transfer.from < transfer.to;
    const Answer answer = is_fenced_ ? pay_fenced(transfer, is_payer_first ? low : high,
                                                  is_payer_first ? high : low, hook)
                                     : pay_trusting(transfer, hook);
    return unlock_pair(low, high) ? answer : Answer::failed;
  }
  bool lock_unlock(uint32_t a, uint32_t b) override {
    Held low, high;
    return lock_pair(a, b, low, high) && unlock_pair(low, high);
  }
  bool floor_round() override { return session_.round(); }

 private:
  bool lock_pair(uint32_t a, uint32_t b, Held& low, Held& high) {
    Polling polling(shape_.patience_ms);
    if (!session_.is_connected() && !session_.open()) return false;
    if (!lock(std::min(a, b), low, polling)) return false;
    if (lock(std::max(a, b), high, polling)) return true;
    session_.remove(low.path);
    return false;
  }
  bool unlock_pair(const Held& low, const Held& high) {
    return session_.remove(high.path) && session_.remove(low.path);
  }
  bool lock(uint32_t account, Held& held, Polling& polling) {
    const std::string path = root_ + "/" + std::to_string(account);
    return is_fenced_ ? lock_in_turn(path, held, polling) : lock_by_name(path, held, polling);
  }
  bool lock_by_name(const std::string& path, Held& held, Polling& polling) {
    held.path = path;
    for (;;) {
      const int result = session_.create(path, ZOO_EPHEMERAL);
      if (result == ZOK) return true;
      if (result != ZNODEEXISTS || !polling.wait()) return false;
    }
  }
  // Who has the lowest number holds it; each waits for the one before.
  bool lock_in_turn(const std::string& path, Held& held, Polling& polling) {
    Stat about;
    int result = session_.create(path + "/n-", ZOO_EPHEMERAL_SEQUENTIAL, &held.path, &about);
    if (result == ZNONODE) {
      session_.create(path, ZOO_PERSISTENT);
      result = session_.create(path + "/n-", ZOO_EPHEMERAL_SEQUENTIAL, &held.path, &about);
    }
    if (result != ZOK) return false;
    held.zxid = about.czxid;
    const std::string own = held.path.substr(path.size() + 1);
    for (;;) {
      std::string before;
      for (const std::string& name : session_.children(path))
        if (name < own && name > before) before = name;
      if (before.empty()) return session_.has(held.path);
      while (session_.has(path + "/" + before))
        if (!polling.wait()) return session_.remove(held.path), false;
    }
  }

  Answer pay_trusting(const Transfer& transfer, const StepHook& hook) {
    hook(Step::locked);
    if (store_.is_noted(transfer.id)) return Answer::replayed;
    const int64_t from = store_.funds(transfer.from), to = store_.funds(transfer.to);
    if (from < transfer.amount) return Answer::refused;
    hook(Step::checked);
    return store_.is_done("begin") ? move(transfer, from, to, hook) : Answer::failed;
  }
  Answer pay_fenced(const Transfer& transfer, const Held& payer, const Held& payee,
                    const StepHook& hook) {
    hook(Step::locked);
    if (!store_.is_done("begin")) return Answer::failed;
    if (store_.is_noted(transfer.id)) return store_.give_up(Answer::replayed);
    const bool is_payer_first = transfer.from < transfer.to;
    Rows from, to;
    for (const bool is_payer : {is_payer_first, !is_payer_first})
      (is_payer ? from : to) = is_payer ? store_.ask("take", {transfer.from, payer.zxid})
                                        : store_.ask("take", {transfer.to, payee.zxid});
    if (!from.is_done || !to.is_done) return store_.give_up(Answer::failed);
    if (!from.has(1) || !to.has(1)) return store_.give_up(Answer::busy);  // superseded
    if (from.values[0][0] < transfer.amount) return store_.give_up(Answer::refused);
    hook(Step::checked);
    return move(transfer, from.values[0][0], to.values[0][0], hook);
  }
  Answer move(const Transfer& transfer, int64_t from, int64_t to, const StepHook& hook) {
    if (!store_.is_done("set", {transfer.from, from - transfer.amount}))
      return store_.give_up(Answer::failed);
    hook(Step::half_moved);
    if (!store_.is_done("set", {transfer.to, to + transfer.amount}))
      return store_.give_up(Answer::failed);
    hook(Step::moved);
    if (const Rows noted = store_.note(transfer); !noted.is_done)
      return store_.give_up(noted.state == kUniqueViolation ? Answer::replayed : Answer::failed);
    hook(Step::noted);
    return store_.is_done("commit") ? Answer::paid : Answer::failed;
  }

  bool is_fenced_;
  std::string root_;
  const Shape& shape_;
  Session session_;
};

About about_of(Form form) {
  const bool is_safe = form == Form::safe;
  return {.name = is_safe ? "zookeeper-fence" : "zookeeper-lock",
          .group = Group::zookeeper,
          .form = form,
          .is_durable = true,
          .uses_ttl = true,
          .floor = "one round trip (exists)",
          .store = "PostgreSQL",
          .work = is_safe
                      ? "ephemeral sequential nodes; each row takes the zxid of its lock when it "
                        "is read and refuses a lower one; the id unique"
                      : "an ephemeral node for each account; balances read, then set in one "
                        "transaction",
          .death = "the session's timeout, by the server's ticks"};
}

class ZooKeeper : public Design {
 public:
  explicit ZooKeeper(Form form) : Design(about_of(form)) {}
  ~ZooKeeper() override {
    if (is_made_by_ == getpid()) PostgresStore(about().name).drop();
  }
  std::unique_ptr<Caller> connect() override { return make_caller(); }

 private:
  std::unique_ptr<ZooKeeperCaller> make_caller() const {
    auto caller = std::make_unique<ZooKeeperCaller>(about(), shape());
    if (!caller->open()) return nullptr;
    return caller;
  }
  std::string make() override {
    if (endpoint_text(kVariable).empty()) return not_set(kVariable);
    is_made_by_ = getpid();
    std::string why = PostgresStore(about().name).make(shape(), about().form == Form::safe);
    if (!why.empty()) return "the money's PostgreSQL: " + why;
    const auto caller = make_caller();
    if (!caller) return "no ZooKeeper at " + endpoint_text(kVariable);
    return caller->make_root() ? "" : "the locks' node could not be made";
  }

  pid_t is_made_by_ = 0;
};

}  // namespace

std::unique_ptr<Design> make_zookeeper_lock() { return std::make_unique<ZooKeeper>(Form::usual); }
std::unique_ptr<Design> make_zookeeper_fence() { return std::make_unique<ZooKeeper>(Form::safe); }

}  // namespace casbook::peers
