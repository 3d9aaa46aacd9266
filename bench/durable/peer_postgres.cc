// PostgreSQL: a private cluster on a Unix socket, one round trip per payment into a function of the
// server's, synchronous_commit=on.
#include <csignal>

#include <sys/un.h>

#include "durable/postgres_client.h"

namespace casbook::bench {
namespace {

class Postgres : public Peer {
 public:
  ~Postgres() override { server_.stop(SIGINT); }

  std::string start(const std::string& folder, uint32_t accounts) override {
    const std::string programs = find_programs();
    if (programs.empty()) return "no initdb below /usr/lib/postgresql";
    if (folder.size() + sizeof("/.s.PGSQL.5432") > sizeof(sockaddr_un{}.sun_path))
      return "the folder's path is too long for a socket";
    const char* user = nullptr;
    if (const std::string why = give_to_server(folder, user); !why.empty()) return why;
    const std::string data = folder + "/data", said = folder + "/server.log";
    if (!run_to_end(
            {.words = {programs + "initdb", "-D", data, "-U", "bench", "-A", "trust", "--no-sync"},
             .output = said,
             .user = user}))
      return "initdb: " + last_line(said);
    server_ =
        Process({.words = {programs + "postgres", "-D", data, "-k", folder, "-c",
                           "listen_addresses=", "-c", "synchronous_commit=on", "-c", "fsync=on",
                           "-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB"},
                 .output = said,
                 .user = user});
    target_ = "host=" + folder + " user=bench dbname=postgres";
    return wait_and_fill(server_, target_, accounts, said);
  }
  std::unique_ptr<Client> connect() override {
    auto client = std::make_unique<PostgresClient>(target_);
    if (!client->prepare()) return nullptr;
    return client;
  }

 private:
  Process server_;
  std::string target_;
};

}  // namespace

std::unique_ptr<Peer> make_postgres() { return std::make_unique<Postgres>(); }

}  // namespace casbook::bench
