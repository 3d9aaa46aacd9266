#include "support/cluster_daemons.h"

#include <filesystem>
#include <fstream>

#include "replicate/key_file.h"
#include "support/daemon_process.h"

namespace casbook::test_support {

ClusterDaemons::ClusterDaemons(const Hosts& hosts, std::string program, ClusterPlan plan)
    : hosts_(hosts), program_(std::move(program)), plan_(std::move(plan)), daemons_(hosts.count()) {
  if (plan_.key_file.empty()) {
    plan_.key_file = hosts.disk(1) + "/cluster.key";
    if (!replicate::write_new_key(plan_.key_file)) std::abort();
  }
  for (uint32_t host = 1; host <= hosts.count(); ++host) {
    std::filesystem::create_directory(hosts.disk(host) + "/journal");
    std::ofstream(hosts.disk(host) + "/casbook.toml") << cluster_config(hosts, host, plan_);
  }
}

void ClusterDaemons::start(uint32_t host) {
  OnHost& daemon = daemons_[host - 1];
  end(daemon);
  daemon.process = start_on(hosts_, host, program_, {"serve", hosts_.disk(host) + "/casbook.toml"});
}

void ClusterDaemons::start_all() {
  for (uint32_t host = 1; host <= hosts_.count(); ++host)
    if (!is_running(host)) start(host);
}

void ClusterDaemons::kill(uint32_t host) { end(daemons_[host - 1]); }

void ClusterDaemons::end(OnHost& daemon) {
  if (!daemon.process) return;
  signal_process(daemon.process->has_ended() ? -1 : daemon.process->pid(), SIGKILL);
  daemon.former += daemon.process->wait().err;
  daemon.process.reset();
}

Ended ClusterDaemons::stop(uint32_t host) {
  OnHost& daemon = daemons_[host - 1];
  if (!daemon.process) return {};
  signal(host, SIGCONT);
  await([&] { return !is_running(host) || answers_stop(daemon.process->pid()); });
  signal(host, SIGTERM);
  Ended ended = daemon.process->wait();
  daemon.former += ended.err;
  daemon.process.reset();
  return ended;
}

void ClusterDaemons::signal(uint32_t host, int number) const {
  const OnHost& daemon = daemons_[host - 1];
  if (daemon.process && !daemon.process->has_ended()) signal_process(daemon.process->pid(), number);
}

void ClusterDaemons::lose_disk(uint32_t host) {
  kill(host);
  if (!hosts_.lose_memory(host)) std::abort();
  const std::string journal = hosts_.disk(host) + "/journal";
  std::filesystem::remove_all(journal);
  std::filesystem::create_directory(journal);
  // The section of the cluster is the last one.
  if (host <= (plan_.members ? plan_.members : hosts_.count()))
    std::ofstream(hosts_.disk(host) + "/casbook.toml", std::ios::app) << "join = true\n";
}

bool ClusterDaemons::is_running(uint32_t host) const {
  const OnHost& daemon = daemons_[host - 1];
  return daemon.process && !daemon.process->has_ended();
}

std::string ClusterDaemons::events(uint32_t host) const {
  const OnHost& daemon = daemons_[host - 1];
  return daemon.former + (daemon.process ? daemon.process->err_so_far() : "");
}

std::string ClusterDaemons::last_events(uint32_t host, size_t lines) const {
  const std::string all = events(host);
  size_t at = all.size();
  for (size_t i = 0; i <= lines && at != all.npos && at > 0; ++i) at = all.rfind('\n', at - 1);
  return "host " + std::to_string(host) + ":\n" +
         (at == all.npos || at == 0 ? all : all.substr(at + 1));
}

}  // namespace casbook::test_support
