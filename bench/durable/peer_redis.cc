// Redis: a private server on a Unix socket, a script per payment, the append-only file synced
// before the answer.
#include <csignal>

#include <sys/un.h>

#include "durable/redis_client.h"

namespace casbook::bench {
namespace {

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
    return wait_and_fund(server_, path_, accounts, said);
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
