// etcd on three hosts, through its JSON gateway: one transaction per payment, which compares both
// balances with what the caller believes and the payment's key with nothing, and answers what they
// are where it believes wrong. The caller talks to the leader.
#include <csignal>
#include <thread>
#include <unordered_map>

#include "etcd_gateway.h"
#include "replicated/host_peers.h"
#include "served/process.h"

namespace casbook::bench {
namespace {

using nlohmann::json;
using test_support::Hosts;

constexpr int kTriesMax = 100;

std::string account_key(uint32_t account) { return base64("a" + std::to_string(account)); }
std::string payment_key(uint64_t id) { return base64("p" + std::to_string(id)); }
json put(const std::string& key, const std::string& value) {
  return {{"requestPut", {{"key", key}, {"value", base64(value)}}}};
}
json range(const std::string& key) { return {{"requestRange", {{"key", key}}}}; }

class EtcdClient : public Client {
 public:
  explicit EtcdClient(const std::string& address) : gateway_(address + ":2379") {}

  Answer pay(const Order& order) override {
    for (int i = 0; i < kTriesMax; ++i) {
      const int64_t from = believed(order.from), to = believed(order.to);
      const bool is_covered = from >= order.amount;
      const json answer = gateway_.ask("kv/txn", transaction(order, from, to, is_covered));
      if (answer.empty()) return Answer::failed;
      if (answer.value("succeeded", false)) {
        if (!is_covered) return Answer::refused;
        funds_[order.from] = from - order.amount;
        funds_[order.to] = to + order.amount;
        return Answer::paid;
      }
      const json& seen = answer["responses"];
      if (seen[2]["response_range"].contains("kvs")) return Answer::replayed;
      funds_[order.from] = value_in(seen[0]);
      funds_[order.to] = value_in(seen[1]);
    }
    return Answer::failed;
  }
  int64_t funds(uint32_t account) override {
    const json answer = gateway_.ask("kv/range", {{"key", account_key(account)}});
    return answer.contains("kvs") ? number(answer["kvs"][0]["value"]) : -1;
  }
  bool fund(uint32_t accounts) {
    constexpr uint32_t kTogether = 100;
    for (uint32_t i = 0; i < accounts; i += kTogether) {
      json puts = json::array();
      for (uint32_t k = i; k < std::min(i + kTogether, accounts); ++k)
        puts.push_back(put(account_key(k), std::to_string(kPeerFunds)));
      if (!gateway_.ask("kv/txn", {{"success", puts}}).value("succeeded", false)) return false;
    }
    return true;
  }

 private:
  static int64_t number(const json& text) {
    return std::strtoll(from_base64(text.get<std::string>()).c_str(), nullptr, 10);
  }
  static int64_t value_in(const json& response) {
    return number(response["response_range"]["kvs"][0]["value"]);
  }
  int64_t believed(uint32_t account) const {
    const auto known = funds_.find(account);
    return known == funds_.end() ? kPeerFunds : known->second;
  }
  static json is_still(uint32_t account, int64_t funds) {
    return {{"key", account_key(account)},
            {"target", "VALUE"},
            {"result", "EQUAL"},
            {"value", base64(std::to_string(funds))}};
  }
  static json transaction(const Order& order, int64_t from, int64_t to, bool is_covered) {
    const std::string payment = payment_key(order.id);
    const json is_new{
        {"key", payment}, {"target", "CREATE"}, {"result", "EQUAL"}, {"createRevision", "0"}};
    json puts = json::array();
    if (is_covered)
      puts = {put(account_key(order.from), std::to_string(from - order.amount)),
              put(account_key(order.to), std::to_string(to + order.amount)),
              put(payment, std::to_string(order.amount))};
    return {{"compare", {is_still(order.from, from), is_still(order.to, to), is_new}},
            {"success", puts},
            {"failure",
             {range(account_key(order.from)), range(account_key(order.to)), range(payment)}}};
  }

  Gateway gateway_;
  std::unordered_map<uint32_t, int64_t> funds_;
};

class HostEtcd : public Peer {
 public:
  explicit HostEtcd(const Hosts& hosts) : hosts_(hosts) { curl_global_init(CURL_GLOBAL_DEFAULT); }
  ~HostEtcd() override {
    for (Process& server : servers_) server.stop(SIGKILL);
  }

  std::string start(const std::string&, uint32_t accounts) override {
    for (uint32_t host = 1; host <= hosts_.count(); ++host) start_one(host);
    for (const int64_t until = now_ns() + 20'000'000'000; leader_ == 0;) {
      if (!servers_[0].is_running()) return "etcd could not be run: " + last_line(log_of(1));
      if (now_ns() > until) return "no leader within 20 s: " + last_line(log_of(1));
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      find_leader();
    }
    return EtcdClient(Hosts::address(leader_)).fund(accounts) ? ""
                                                              : "the accounts could not be funded";
  }
  std::unique_ptr<Client> connect() override {
    return std::make_unique<EtcdClient>(Hosts::address(leader_));
  }

 private:
  std::string log_of(uint32_t host) const {
    return folder_on(hosts_, host, "etcd") + "/server.log";
  }

  void start_one(uint32_t host) {
    const auto url = [](uint32_t of, const char* port) {
      return "http://" + Hosts::address(of) + ":" + port;
    };
    std::string all;
    for (uint32_t other = 1; other <= hosts_.count(); ++other)
      all += (other > 1 ? ",n" : "n") + std::to_string(other) + "=" + url(other, "2380");
    servers_.emplace_back(
        Command{.words = {"etcd", "--name", "n" + std::to_string(host), "--data-dir",
                          folder_on(hosts_, host, "etcd") + "/data", "--listen-peer-urls",
                          url(host, "2380"), "--initial-advertise-peer-urls", url(host, "2380"),
                          "--listen-client-urls", url(host, "2379"), "--advertise-client-urls",
                          url(host, "2379"), "--initial-cluster", all, "--quota-backend-bytes",
                          "8000000000"},
                .output = log_of(host),
                .before = [this, host] { hosts_.enter(host); }});
  }
  void find_leader() {
    for (uint32_t host = 1; host <= hosts_.count(); ++host) {
      const json status =
          Gateway(Hosts::address(host) + ":2379").ask("maintenance/status", json::object());
      if (status.contains("leader") && status["leader"] == status["header"]["member_id"])
        leader_ = host;
    }
  }

  const Hosts& hosts_;
  std::vector<Process> servers_;
  uint32_t leader_ = 0;
};

}  // namespace

std::unique_ptr<Peer> make_host_etcd(const Hosts& hosts) {
  return std::make_unique<HostEtcd>(hosts);
}

}  // namespace casbook::bench
