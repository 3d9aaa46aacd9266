// Redis on three hosts: each payment in the synced append-only file of the first one, and received
// by one replica of two (WAIT 1), which has it in memory.
#include <csignal>
#include <filesystem>

#include <sys/un.h>

#include "durable/redis_client.h"
#include "replicated/host_peers.h"

namespace casbook::bench {
namespace {

using test_support::Hosts;

class HostRedis : public Peer {
 public:
  explicit HostRedis(const Hosts& hosts) : hosts_(hosts) {}
  ~HostRedis() override {
    for (Process& server : servers_) server.stop(SIGKILL);
  }

  std::string start(const std::string&, uint32_t accounts) override {
    for (uint32_t host = 1; host <= hosts_.count(); ++host)
      if (std::string why = start_one(host); !why.empty()) return why;
    path_ = folder_on(hosts_, 1, "redis") + "/socket";
    const std::string said = folder_on(hosts_, 1, "redis") + "/server.log";
    if (std::string why = wait_and_fund(servers_[0], path_, accounts, said); !why.empty())
      return why;
    const std::unique_ptr<Client> client = connect();
    for (const int64_t until = now_ns() + 20'000'000'000; client && now_ns() < until;)
      if (client->pay({.id = 3, .from = 0, .to = 0, .amount = 1}) != Answer::failed) return {};
    return "no replica follows";
  }
  std::unique_ptr<Client> connect() override {
    auto client = std::make_unique<RedisClient>(path_, 1);
    if (!client->prepare()) return nullptr;
    return client;
  }

 private:
  std::string start_one(uint32_t host) {
    const std::string folder = folder_on(hosts_, host, "redis");
    if (folder.size() + sizeof("/socket") > sizeof(sockaddr_un{}.sun_path))
      return "the folder's path is too long for a socket";
    Command command{.words = {"redis-server", "--bind", Hosts::address(host), "--protected-mode",
                              "no", "--unixsocket", folder + "/socket", "--dir", folder,
                              "--appendonly", "yes", "--appendfsync", "always", "--save", "",
                              "--repl-diskless-sync-delay", "0", "--daemonize", "no"},
                    .output = folder + "/server.log",
                    .before = [this, host] { hosts_.enter(host); }};
    if (host != 1)
      command.words.insert(command.words.end(), {"--replicaof", Hosts::address(1), "6379"});
    servers_.emplace_back(command);
    return {};
  }

  const Hosts& hosts_;
  std::vector<Process> servers_;
  std::string path_;
};

}  // namespace

std::unique_ptr<Peer> make_host_redis(const Hosts& hosts) {
  return std::make_unique<HostRedis>(hosts);
}

}  // namespace casbook::bench
