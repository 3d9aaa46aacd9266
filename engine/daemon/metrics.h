// Metrics for Prometheus: http://ADDRESS/metrics, read from the arena when they are asked for.
// There are no counters of its own, so nothing is slower for them, and a restart of the daemon
// resets only what the daemon itself counts. README.md of this folder lists the names.
#pragma once

#include <memory>
#include <string>

#include <casbook/book.h>

#include "arena/arena.h"

namespace prometheus {
class Collectable;
class Exposer;
}  // namespace prometheus

namespace casbook::daemon {

// Serves from threads of its own while it lives. `book` and `lines` have to outlive it.
class MetricsServer {
 public:
  // `address` as in loopback_address.h; port 0: any that is free. Errors: bad_argument: it is no
  // such address; io_error: nobody can listen there, with why.
  static Result<std::unique_ptr<MetricsServer>> open(const std::string& address, const Book& book,
                                                     const arena::Mapping& mapping);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  int port() const;

 private:
  MetricsServer();

  std::string host_;
  std::shared_ptr<prometheus::Collectable> figures_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace casbook::daemon
