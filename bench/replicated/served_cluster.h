// A book that `casbook serve` keeps on several hosts, or on one without a cluster; the daemons are
// children of the benchmark.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "served/served_book.h"
#include "support/hosts/hosts.h"

namespace casbook::bench {

class ServedCluster {
 public:
  // The hosts are there, and outlive it. Those behind the first `members` are not served, but may
  // join later; 0: all are. `copy_rate`: as the configuration has it, "0" for no bound.
  ServedCluster(const test_support::Hosts& hosts, const ServedShape& shape, uint32_t members = 0,
                std::string copy_rate = "0");
  ServedCluster(const ServedCluster&) = delete;
  ServedCluster& operator=(const ServedCluster&) = delete;

  // Starts the daemons, and opens and funds the accounts on the host that leads. What is in the
  // way; empty: nothing.
  std::string serve();
  // The host on which a payment can be made now; 0: none within 10 s.
  uint32_t find_leader();
  // Until the books of all hosts follow, and have what the leader's has now. False: not in time.
  bool is_whole_within(double seconds);
  // Of the last record in the book of that host; 0: there is none.
  uint64_t lsn_of(uint32_t host) const;
  // Processor time that the daemon has used, us.
  double processor_us(uint32_t host) const;
  void kill_daemon(uint32_t host) { daemons_[host - 1].stop(9); }
  void start_daemon(uint32_t host);
  // Another host begins, with a copy of the book of one that is there.
  void join(uint32_t host);
  // casbook cluster VERB BOOK WORDS... on that host. What it said against it; empty: it is done.
  std::string command(uint32_t host, const std::string& verb, std::vector<std::string> words) const;
  std::string add(uint32_t leader, uint32_t host, bool as_standby = false) const;
  // As a field of the last event of that name that its daemon told; 0: there was none.
  double told(uint32_t host, const std::string& event, const std::string& field) const;

  pid_t daemon(uint32_t host) const { return daemons_[host - 1].pid(); }
  const std::string& name() const { return name_; }
  uint64_t accounts() const { return shape_.accounts; }
  uint32_t hosts() const { return members_; }
  // Bytes that all hosts have sent since they are there, as their interfaces count them.
  uint64_t bytes_sent() const;
  uint64_t bytes_sent_by(uint32_t host) const;

  // A process on that host; not waited for.
  pid_t start_on(uint32_t host, const std::function<void()>& body) const;
  // The same, waited for. False: it did not end with 0.
  bool run_on(uint32_t host, const std::function<void()>& body) const;

 private:
  std::string key_file() const { return folder(1) + "/cluster.key"; }
  std::string config_of(uint32_t host) const;
  std::string folder(uint32_t host) const { return hosts_.disk(host); }
  std::string said(uint32_t host) const { return last_line(folder(host) + "/daemon.log"); }

  const test_support::Hosts& hosts_;
  std::string name_;
  ServedShape shape_;
  uint32_t members_;
  std::string copy_rate_;
  std::vector<Process> daemons_;
};

// In a process on a host: the accounts that serve() opened.
std::vector<Account> accounts_of(const Book& book, uint64_t count);

}  // namespace casbook::bench
