// etcd through its JSON gateway: a lock is a key under the caller's lease, put where there is none
// of that name. The money lies in etcd too. As it is usually written, what the lock protects is put
// without a look back; in the safe form one transaction compares the creation revisions of both
// locks and the balances, and has the payment's key be new.
#include "etcd_gateway.h"
#include "peers/designs.h"
#include "peers/endpoint.h"
#include "peers/pause.h"

namespace casbook::peers {
namespace {

using bench::base64;
using bench::from_base64;
using bench::Gateway;
using bench::json;

constexpr const char* kVariable = "CASBOOK_PEER_ETCD";

int64_t number(const json& text) {
  return text.is_string() ? std::strtoll(text.get_ref<const std::string&>().c_str(), nullptr, 10)
                          : 0;
}
json put(const std::string& key, int64_t value) {
  return {{"requestPut", {{"key", base64(key)}, {"value", base64(std::to_string(value))}}}};
}
json range(const std::string& key) { return {{"requestRange", {{"key", base64(key)}}}}; }
json remove(const std::string& key) { return {{"requestDeleteRange", {{"key", base64(key)}}}}; }
json is_created_at(const std::string& key, const std::string& revision) {
  return {{"key", base64(key)},
          {"target", "CREATE"},
          {"result", "EQUAL"},
          {"createRevision", revision}};
}
json has_value(const std::string& key, int64_t value) {
  return {{"key", base64(key)},
          {"target", "VALUE"},
          {"result", "EQUAL"},
          {"value", base64(std::to_string(value))}};
}
// Of a response in a transaction; -1: there is no such key.
int64_t value_in(const json& response) {
  const auto range = response.find("response_range");
  if (range == response.end() || !range->contains("kvs")) return -1;
  return std::strtoll(from_base64((*range)["kvs"][0]["value"]).c_str(), nullptr, 10);
}

class EtcdCaller : public Caller {
 public:
  EtcdCaller(const std::string& name, Form form, const Shape& shape)
      : gateway_(endpoint_text(kVariable)), prefix_(name + "/"), form_(form), shape_(shape) {}
  ~EtcdCaller() override {
    if (lease_ != 0) gateway_.ask("lease/revoke", {{"ID", std::to_string(lease_)}});
  }

  bool is_there() { return gateway_.ask("maintenance/status", json::object()).contains("header"); }
  bool remove_all() {
    std::string end = prefix_;
    ++end.back();
    return gateway_.ask("kv/deleterange", {{"key", base64(prefix_)}, {"range_end", base64(end)}})
        .contains("header");
  }
  bool fund() {
    constexpr uint32_t kTogether = 5000;
    for (uint32_t i = 0; i < shape_.accounts; i += kTogether) {
      json puts = json::array();
      for (uint32_t k = i; k < std::min(i + kTogether, shape_.accounts); ++k)
        puts.push_back(put(account(k), shape_.funds));
      if (!is_done(json::array(), puts)) return false;
    }
    return true;
  }

  Answer pay(const Transfer& transfer, const StepHook& hook) override {
    Locks locks;
    if (!lock_pair(transfer.from, transfer.to, locks)) return Answer::busy;
    const Answer answer = pay_locked(transfer, locks, hook);
    return unlock(locks) ? answer : Answer::failed;
  }
  bool lock_unlock(uint32_t a, uint32_t b) override {
    Locks locks;
    return lock_pair(a, b, locks) && unlock(locks);
  }
  bool floor_round() override {
    return gateway_.ask("kv/range", {{"key", base64("no such key")}, {"serializable", true}})
        .contains("header");
  }
  int64_t funds(uint32_t of) override {
    const json answer = ask(json::array(), json::array({range(account(of))}));
    return answer.contains("responses") ? value_in(answer["responses"][0]) : -1;
  }
  bool is_noted(uint64_t id) override {
    const json answer = ask(json::array(), json::array({range(payment(id))}));
    return answer.contains("responses") && value_in(answer["responses"][0]) >= 0;
  }
  Audit audit() override {
    Audit audit;
    std::string from = prefix_ + "a";
    for (bool is_more = true; is_more;) {
      const json page = gateway_.ask(
          "kv/range",
          {{"key", base64(from)}, {"range_end", base64(prefix_ + "b")}, {"limit", "10000"}});
      if (!page.contains("kvs")) return {.funds = -1};
      for (const json& entry : page["kvs"])
        audit.funds += std::strtoll(from_base64(entry["value"]).c_str(), nullptr, 10);
      from = from_base64(page["kvs"].back()["key"]) + '\0';
      is_more = page.value("more", false);
    }
    const std::string first = prefix_ + "p", end = prefix_ + "q";
    const json count = gateway_.ask(
        "kv/range", {{"key", base64(first)}, {"range_end", base64(end)}, {"count_only", true}});
    audit.noted = static_cast<uint64_t>(number(count.value("count", json("0"))));
    return audit;
  }

 private:
  struct Locks {
    std::string keys[2], revisions[2];
  };

  std::string account(uint32_t of) const { return prefix_ + "a" + std::to_string(of); }
  std::string payment(uint64_t id) const { return prefix_ + "p" + std::to_string(id); }
  json ask(const json& compare, const json& success, const json& failure = json::array()) {
    return gateway_.ask("kv/txn",
                        {{"compare", compare}, {"success", success}, {"failure", failure}});
  }
  bool is_done(const json& compare, const json& success) {
    return ask(compare, success).value("succeeded", false);
  }

  // One lease of the caller's, renewed when a third of it is over; another when it is lost.
  bool have_lease() {
    const int64_t now = bench::now_ns();
    if (lease_ != 0 && now < renew_at_ns_) return true;
    if (lease_ != 0) {
      const json renewed = gateway_.ask("lease/keepalive", {{"ID", std::to_string(lease_)}});
      if (!renewed.contains("result") || number(renewed["result"].value("TTL", json("0"))) <= 0)
        lease_ = 0;
    }
    if (lease_ == 0) {
      const int64_t seconds = std::max<int64_t>(1, (shape_.ttl_ms + 999) / 1000);
      lease_ = number(
          gateway_.ask("lease/grant", {{"TTL", std::to_string(seconds)}}).value("ID", json("0")));
    }
    renew_at_ns_ = now + shape_.ttl_ms * 1'000'000 / 3;
    return lease_ != 0;
  }
  bool lock_pair(uint32_t a, uint32_t b, Locks& locks) {
    Polling polling(shape_.patience_ms);
    if (!lock(std::min(a, b), locks, 0, polling)) return false;
    if (lock(std::max(a, b), locks, 1, polling)) return true;
    is_done(json::array(), json::array({remove(locks.keys[0])}));
    return false;
  }
  bool lock(uint32_t of, Locks& locks, int which, Polling& polling) {
    const std::string key = prefix_ + "l" + std::to_string(of);
    do {
      if (!have_lease()) return false;
      const json put_lock{
          {"requestPut",
           {{"key", base64(key)}, {"value", base64("held")}, {"lease", std::to_string(lease_)}}}};
      const json answer = ask(json::array({is_created_at(key, "0")}), json::array({put_lock}));
      if (answer.value("succeeded", false)) {
        locks.keys[which] = key;
        locks.revisions[which] = answer["header"].value("revision", "0");
        return true;
      }
      if (!answer.contains("header")) lease_ = 0;  // the lease is lost, or the server
    } while (polling.wait());
    return false;
  }
  // Only what is ours, in both forms: the usual client libraries do that.
  bool unlock(const Locks& locks) {
    for (int i = 1; i >= 0; --i)
      if (!ask(json::array({is_created_at(locks.keys[i], locks.revisions[i])}),
               json::array({remove(locks.keys[i])}))
               .contains("header"))
        return false;
    return true;
  }

  Answer pay_locked(const Transfer& transfer, const Locks& locks, const StepHook& hook) {
    hook(Step::locked);
    const std::string from_key = account(transfer.from), to_key = account(transfer.to);
    const json seen = ask(
        json::array(), json::array({range(payment(transfer.id)), range(from_key), range(to_key)}));
    if (!seen.contains("responses")) return Answer::failed;
    const json& values = seen["responses"];
    const int64_t from = value_in(values[1]), to = value_in(values[2]);
    if (value_in(values[0]) >= 0) return Answer::replayed;
    if (from < transfer.amount) return Answer::refused;
    hook(Step::checked);
    hook(Step::half_moved);
    json moves =
        json::array({put(from_key, from - transfer.amount), put(to_key, to + transfer.amount)});
    const json note = put(payment(transfer.id), transfer.amount);
    if (form_ == Form::safe) {
      moves.push_back(note);
      const json answer = ask(json::array({is_created_at(locks.keys[0], locks.revisions[0]),
                                           is_created_at(locks.keys[1], locks.revisions[1]),
                                           is_created_at(payment(transfer.id), "0"),
                                           has_value(from_key, from), has_value(to_key, to)}),
                              moves);
      if (!answer.contains("header")) return Answer::failed;
      if (!answer.value("succeeded", false)) return Answer::busy;  // superseded
      hook(Step::moved);
    } else {
      if (!is_done(json::array(), moves)) return Answer::failed;
      hook(Step::moved);
      if (!is_done(json::array(), json::array({note}))) return Answer::failed;
    }
    hook(Step::noted);
    return Answer::paid;
  }

  Gateway gateway_;
  std::string prefix_;
  Form form_;
  const Shape& shape_;
  int64_t lease_ = 0, renew_at_ns_ = 0;
};

About about_of(Form form) {
  const bool is_safe = form == Form::safe;
  return {.name = is_safe ? "etcd-compare" : "etcd-lock",
          .group = Group::etcd,
          .form = form,
          .is_durable = true,
          .uses_ttl = true,
          .floor = "one round trip (a read that asks nobody else)",
          .store = "the same etcd",
          .work = is_safe
                      ? "keys under a lease; one transaction compares both locks' creation "
                        "revisions and the balances, has the payment's key be new, and moves"
                      : "keys under a lease; balances put in one transaction, the payment's key "
                        "in another, without a look at the locks",
          .death = "the lease's TTL, by the leader's clock"};
}

class Etcd : public Design {
 public:
  explicit Etcd(Form form) : Design(about_of(form)) { curl_global_init(CURL_GLOBAL_DEFAULT); }
  std::unique_ptr<Caller> connect() override { return make_caller(); }

 private:
  std::unique_ptr<EtcdCaller> make_caller() const {
    return std::make_unique<EtcdCaller>(about().name, about().form, shape());
  }
  std::string make() override {
    const std::string address = endpoint_text(kVariable);
    if (address.empty()) return not_set(kVariable);
    const auto caller = make_caller();
    if (!caller->is_there()) return "no etcd at " + address;
    return caller->remove_all() && caller->fund() ? "" : "the accounts could not be funded";
  }
};

}  // namespace

std::unique_ptr<Design> make_etcd_lock() { return std::make_unique<Etcd>(Form::usual); }
std::unique_ptr<Design> make_etcd_compare() { return std::make_unique<Etcd>(Form::safe); }

}  // namespace casbook::peers
