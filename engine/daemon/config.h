// The daemon's configuration: a TOML file, or defaults. README.md of this folder lists the keys.
#pragma once

#include <chrono>
#include <string>

#include <casbook/book.h>

#include "replicate/consensus.h"

namespace casbook::daemon {

struct MetricsConfig {
  std::string address{};  // "127.0.0.1:9464"; empty: off
};

struct JournalConfig {
  std::string directory{};               // of journal and checkpoints
  uint64_t segment_bytes = 64ull << 20;  // 4 MiB to 4 GiB
  // A record that nobody waits for is written after this time at the latest. 1 ms to 10 s.
  std::chrono::milliseconds flush_interval{5};
  bool direct = true;  // O_DIRECT where the file system can
};

struct CheckpointConfig {
  uint64_t every_bytes = 1ull << 30;                       // of journal; 0: never by size
  std::chrono::milliseconds every{std::chrono::hours(1)};  // 0: never by time
};

// Hosts that keep one book together. The same on all of them but `node` and `interface`.
struct ClusterConfig {
  std::string id{};                        // 1 to 64 bytes; empty: no cluster
  uint64_t node = 0;                       // this one, among `nodes`
  // Three or five; addresses "10.0.0.1:7400". Of an empty directory only: later the log says it.
  std::vector<replicate::Server> nodes{};
  std::string interface {};                // its address, for multicast; empty: that of the node
  std::string group = "239.192.7.1:7401";
  bool is_multicast = true;
  std::string key_file{};
  // Without a sign of the leader for so long a node asks for votes. 50 ms to 60 s.
  std::chrono::milliseconds election_timeout{150};
  std::chrono::milliseconds heartbeat{30};  // at most a third of that
  uint64_t mtu = 1500;                      // of the path between the nodes; 576 to 65535
  // This node is new, and waits for `casbook cluster add`: its journal begins with a copy of another's.
  // Then `nodes` are those to ask and itself.
  bool is_joining = false;
  uint64_t catch_up_bytes_per_second = 64ull << 20;  // of each copy that it gives; 0: no bound
  // A follower is slowed down for from the first on, and left out beyond the second; of bytes of
  // entries that it is behind. 64 KiB to 1 TiB.
  uint64_t lag_soft_bytes = 16ull << 20, lag_hard_bytes = 256ull << 20;
  // Of cells that are compared with the other nodes' while this one leads. Up to 1 GiB; 0: none are.
  uint64_t digest_bytes_per_second = 8ull << 20;

  bool is_set() const { return !id.empty(); }
};

struct Config {
  std::string book;        // its name
  CreateOptions create{};  // of a book that is not there yet; its directory too
  JournalConfig journal{};
  CheckpointConfig checkpoint{};
  MetricsConfig metrics{};
  ClusterConfig cluster{};
  std::string log_level = "info";  // debug, info, warn, error
};

// bad_argument: names the file, the line, the key and what was expected, also for a key that is
// none; io_error, no_permission: the file cannot be read.
Result<Config> read_config(const std::string& path);
// bad_argument, naming the key: a value out of its range, a book without a name, a journal without
// a directory, a metrics address that is not of the loopback interface.
Result<void> check_config(const Config& config);

}  // namespace casbook::daemon
