#include "replicated/served_cluster.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "floor.h"
#include "served/place.h"
#include "support/hosts/cluster_config.h"

namespace casbook::bench {
namespace {

constexpr int64_t kLeaderNsMax = 60'000'000'000;

std::string arena_lines(const ServedShape& shape) {
  std::ostringstream lines;
  lines << "accounts = " << shape.accounts + 1 << "\npayments = " << shape.payments
        << "\nwindow = \"" << shape.window << "\"\nrecords = " << shape.records
        << "\nleases = 64\nsessions = 16\n";
  return lines.str();
}

// Whether a commit is taken here now.
bool leads(const std::string& name) {
  auto book = Book::attach(name);
  if (!book) return false;
  auto session = book->open_session();
  return session && session->open_ledger("EUR", 2) &&
         session->open_ledger("probe" + std::to_string(getpid()), 2);
}

}  // namespace

ServedCluster::ServedCluster(const test_support::Hosts& hosts, const ServedShape& shape,
                             uint32_t members, std::string copy_rate)
    : hosts_(hosts),
      name_(own_name()),
      shape_(shape),
      members_(members ? members : hosts.count()),
      copy_rate_(std::move(copy_rate)),
      daemons_(hosts.count()) {}

std::string ServedCluster::serve() {
  const std::string log = folder(1) + "/keygen.log";
  if (!run_to_end({.words = {casbook_command(), "cluster", "keygen", key_file()}, .output = log}))
    return "casbook cluster keygen: " + last_line(log);
  for (uint32_t host = 1; host <= hosts(); ++host) join(host);
  const uint32_t leader = find_leader();
  for (uint32_t host = 1; host <= hosts(); ++host)
    if (!daemons_[host - 1].is_running()) return "casbook serve ended: " + said(host);
  if (leader == 0) return "nobody leads within a minute: " + said(1);
  const bool is_filled = run_on(leader, [this] {
    Book book = must(Book::attach(name_));
    Session session = must(book.open_session());
    open_accounts(session, shape_.accounts);
    must(book.wait(book.position(), Level::durable, std::chrono::seconds(60)));
  });
  return is_filled ? "" : "the accounts could not be opened on the leader: " + said(leader);
}

void ServedCluster::join(uint32_t host) {
  mkdir((folder(host) + "/journal").c_str(), 0700);
  std::ofstream(folder(host) + "/casbook.toml") << config_of(host);
  start_daemon(host);
}

std::string ServedCluster::command(uint32_t host, const std::string& verb,
                                   std::vector<std::string> words) const {
  const std::string log = folder(host) + "/" + verb + ".log";
  words.insert(words.begin(), {casbook_command(), "cluster", verb, name_});
  const bool is_done =
      run_to_end({.words = words, .output = log, .before = [this, host] { hosts_.enter(host); }});
  return is_done ? "" : verb + ": " + last_line(log);
}

std::string ServedCluster::add(uint32_t leader, uint32_t host, bool as_standby) const {
  std::vector<std::string> words{std::to_string(host), test_support::cluster_address(host),
                                 "--timeout", "300s"};
  if (as_standby) words.push_back("--standby");
  return command(leader, "add", words);
}

double ServedCluster::told(uint32_t host, const std::string& event,
                           const std::string& field) const {
  std::ifstream file(folder(host) + "/daemon.log");
  double value = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.find("event=" + event + " ") == line.npos) continue;
    const size_t at = line.find(" " + field + "=");
    if (at != line.npos) value = std::strtod(line.c_str() + at + field.size() + 2, nullptr);
  }
  return value;
}

std::string ServedCluster::config_of(uint32_t host) const {
  const std::string config = test_support::cluster_config(
      hosts_, host,
      {.book = name_,
       .key_file = key_file(),
       .arena = arena_lines(shape_),
       .more = "[checkpoint]\nevery_bytes = " + std::to_string(shape_.checkpoint_bytes) +
               "\nevery = \"0s\"\n",
       .cluster = "catch_up_bytes_per_second = \"" + copy_rate_ + "\"\n",
       .members = members_});
  return hosts() > 1 ? config : config.substr(0, config.find("[cluster]"));
}

void ServedCluster::start_daemon(uint32_t host) {
  daemons_[host - 1] =
      Process({.words = {casbook_command(), "serve", folder(host) + "/casbook.toml"},
               .output = folder(host) + "/daemon.log",
               .before = [this, host] { hosts_.enter(host); }});
}

uint32_t ServedCluster::find_leader() {
  for (const int64_t until = now_ns() + kLeaderNsMax; now_ns() < until;) {
    bool any_runs = false;
    for (uint32_t host = 1; host <= hosts(); ++host) {
      if (run_on(host, [this] { _exit(leads(name_) ? 0 : 1); })) return host;
      any_runs |= daemons_[host - 1].is_running();
    }
    if (!any_runs) return 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return 0;
}

bool ServedCluster::is_whole_within(double seconds) {
  const int64_t until = now_ns() + static_cast<int64_t>(seconds * 1e9);
  const uint32_t leader = find_leader();
  const uint64_t lsn = leader == 0 ? 0 : lsn_of(leader);
  for (uint32_t host = 1; leader != 0 && host <= hosts();) {
    // A killed leader's arena says that it leads until its next daemon has built another.
    const bool is_there = host == leader || run_on(host, [&] {
                            auto book = Book::observe(name_);
                            _exit(book && book->activity().cluster.role == "following" &&
                                          book->position().lsn() >= lsn
                                      ? 0
                                      : 1);
                          });
    if (is_there) {
      ++host;
      continue;
    }
    if (now_ns() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return leader != 0;
}

uint64_t ServedCluster::lsn_of(uint32_t host) const {
  const Lines<uint64_t> lsn(1);
  run_on(host, [&] {
    if (auto book = Book::observe(name_)) lsn[0] = book->position().lsn();
  });
  return lsn[0];
}

double ServedCluster::processor_us(uint32_t host) const {
  double ns = 0;
  const std::string tasks = "/proc/" + std::to_string(daemon(host)) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    double of_task = 0;
    std::ifstream(task.path() / "schedstat") >> of_task;
    ns += of_task;
  }
  return ns / 1e3;
}

uint64_t ServedCluster::bytes_sent() const {
  uint64_t sum = 0;
  for (uint32_t host = 1; host <= daemons_.size(); ++host) sum += bytes_sent_by(host);
  return sum;
}

uint64_t ServedCluster::bytes_sent_by(uint32_t host) const {
  constexpr int kFieldsBefore = 8;  // of what was received
  std::ifstream file("/proc/" + std::to_string(daemon(host)) + "/net/dev");
  for (std::string line; std::getline(file, line);) {
    const size_t name = line.find("eth0:");
    if (name == line.npos) continue;
    std::istringstream fields(line.substr(name + 5));
    uint64_t field = 0;
    for (int i = 0; i <= kFieldsBefore; ++i) fields >> field;
    return field;
  }
  return 0;
}

pid_t ServedCluster::start_on(uint32_t host, const std::function<void()>& body) const {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  hosts_.enter(host);
  body();
  _exit(0);
}

bool ServedCluster::run_on(uint32_t host, const std::function<void()>& body) const {
  const pid_t pid = start_on(host, body);
  int status = -1;
  return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

std::vector<Account> accounts_of(const Book& book, uint64_t count) {
  std::vector<Account> accounts;
  for (uint64_t i = 0; i < count; ++i)
    accounts.push_back(must(book.find_account({ExternalId::of_number(i + 1)})));
  return accounts;
}

}  // namespace casbook::bench
