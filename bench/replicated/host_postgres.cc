// PostgreSQL on three hosts: synchronous_commit=on, one of two standbys has synced its log when a
// payment is answered.
#include <csignal>
#include <fstream>

#include <sys/stat.h>
#include <sys/un.h>

#include "durable/postgres_client.h"
#include "replicated/host_peers.h"

namespace casbook::bench {
namespace {

using test_support::Hosts;

class HostPostgres : public Peer {
 public:
  explicit HostPostgres(const Hosts& hosts) : hosts_(hosts) {}
  ~HostPostgres() override {
    for (Process& server : servers_) server.stop(SIGINT);
  }

  std::string start(const std::string&, uint32_t accounts) override {
    programs_ = find_programs();
    if (programs_.empty()) return "no initdb below /usr/lib/postgresql";
    std::string why;
    for (uint32_t host = 1; host <= hosts_.count() && why.empty(); ++host) {
      const std::string folder = folder_on(hosts_, host, "postgres");
      if (folder.size() + sizeof("/.s.PGSQL.5432") > sizeof(sockaddr_un{}.sun_path))
        return "the folder's path is too long for a socket";
      why = give_to_server(folder, user_);
      if (why.empty()) why = host == 1 ? make_primary(accounts) : make_standby(host);
    }
    return why.empty() ? wait_for_standbys() : why;
  }
  std::unique_ptr<Client> connect() override {
    auto client = std::make_unique<PostgresClient>(target());
    if (!client->prepare()) return nullptr;
    return client;
  }

 private:
  std::string folder(uint32_t host) const { return folder_on(hosts_, host, "postgres"); }
  std::string said(uint32_t host) const { return folder(host) + "/server.log"; }
  std::string target() const { return "host=" + folder(1) + " user=bench dbname=postgres"; }

  bool run_program(uint32_t host, const char* program, std::vector<std::string> words) {
    words.insert(words.begin(), programs_ + program);
    return run_to_end({.words = words, .output = said(host), .user = user_, .before = [this, host] {
                         hosts_.enter(host);
                       }});
  }
  void serve(uint32_t host) {
    servers_.emplace_back(Command{
        .words = {programs_ + "postgres", "-D", folder(host) + "/data", "-k", folder(host), "-c",
                  "listen_addresses=" + Hosts::address(host), "-c", "synchronous_commit=on", "-c",
                  "fsync=on", "-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB", "-c",
                  "cluster_name=host" + std::to_string(host)},
        .output = said(host),
        .user = user_,
        .before = [this, host] { hosts_.enter(host); }});
  }

  std::string make_primary(uint32_t accounts) {
    const std::string data = folder(1) + "/data";
    if (!run_program(1, "initdb", {"-D", data, "-U", "bench", "-A", "trust", "--no-sync"}))
      return "initdb: " + last_line(said(1));
    std::ofstream(data + "/pg_hba.conf", std::ios::app)
        << "host replication bench " << Hosts::address(0) << "/24 trust\n";
    serve(1);
    return wait_and_fill(servers_[0], target(), accounts, said(1));
  }
  std::string make_standby(uint32_t host) {
    const std::string data = folder(host) + "/data";
    const std::string primary =
        "host=" + Hosts::address(1) + " user=bench application_name=host" + std::to_string(host);
    if (!run_program(host, "pg_basebackup",
                     {"-D", data, "-d", primary, "-R", "-c", "fast", "--no-sync"}))
      return "pg_basebackup: " + last_line(said(host));
    chmod(data.c_str(), 0700);
    serve(host);
    return {};
  }
  std::string wait_for_standbys() {
    Connection connection(target());
    if (!connection.run("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (host2, host3)'") ||
        !connection.run("SELECT pg_reload_conf()"))
      return connection.message();
    for (const int64_t until = now_ns() + 30'000'000'000; now_ns() < until;) {
      const std::string both = connection.value(
          "SELECT count(*) FROM pg_stat_replication "
          "WHERE state = 'streaming' AND sync_state = 'quorum'");
      if (both == std::to_string(hosts_.count() - 1)) return {};
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return "the standbys did not follow within 30 s: " + last_line(said(2));
  }

  const Hosts& hosts_;
  std::string programs_;
  const char* user_ = nullptr;
  std::vector<Process> servers_;
};

}  // namespace

std::unique_ptr<Peer> make_host_postgres(const Hosts& hosts) {
  return std::make_unique<HostPostgres>(hosts);
}

}  // namespace casbook::bench
