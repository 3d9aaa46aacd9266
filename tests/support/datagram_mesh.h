// Transports of several nodes in one thread, joined by a network that loses, doubles, delays,
// spoils and cuts, over virtual time. The same seed gives the same run.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>

#include "replicate/transport.h"
#include "support/random.h"

namespace casbook::test_support {

using Bytes = std::vector<std::byte>;

// In 1/1000.
struct MeshFaults {
  uint32_t lost = 0, doubled = 0, spoiled = 0, cut_short = 0;
  int64_t delay_min_ns = 20'000, delay_max_ns = 60'000;
  int64_t multicast_extra_ns = 0;  // on top, of what goes by multicast: two sockets, two paths
};

struct MeshOptions {
  uint64_t nodes = 3;
  uint64_t seed = 1;
  bool is_multicast = true;
  uint32_t datagram_bytes = 1400;
  uint64_t receive_bytes_max = 32ull << 20;
  MeshFaults faults = {};
};

class MeshLog final : public replicate::EntrySource {
 public:
  replicate::EntryPtr entry(uint64_t index) override {
    return index == 0 || index > entries.size() ? nullptr : entries[index - 1];
  }
  uint64_t last_index() const { return entries.size(); }
  uint64_t term_at(uint64_t index) { return index == 0 ? 0 : entry(index)->term; }

  std::vector<replicate::EntryPtr> entries;
};

class Mesh {
 public:
  using Got = std::function<void(uint64_t node, uint64_t from, replicate::Message&& message)>;
  // Null: passes. Sees each datagram once, with its receivers still to come.
  using Tap = std::function<void(uint64_t from, uint64_t to, const Bytes& datagram)>;

  explicit Mesh(const MeshOptions& options);
  ~Mesh();

  replicate::Transport& transport(uint64_t node) { return *nodes_.at(node)->transport; }
  MeshLog& log(uint64_t node) { return nodes_.at(node)->log; }
  // A new run of the process: nothing but the log is left.
  void restart(uint64_t node);
  void stop(uint64_t node);
  void run_for(int64_t ns);
  void run_until(const std::function<bool()>& done, int64_t ns_max);
  // Until each has accepted each.
  void introduce();
  int64_t now_ns() const { return now_ns_; }
  // As if it came from the network.
  void inject(uint64_t to, const Bytes& datagram);
  replicate::TransportOptions options_of(uint64_t node) const;

  MeshFaults faults;
  Got got;
  Tap tap;
  std::function<bool(uint64_t from, uint64_t to, bool is_multicast)> is_cut;
  std::function<bool(uint64_t from, uint64_t to, size_t bytes)> carries;
  uint32_t refused_above = 0;  // larger datagrams are refused by their own node; 0: none
  uint64_t lost_bytes = 0, lost_datagrams = 0, carried_datagrams = 0;
  replicate::ClusterKey key;

 private:
  struct Port;
  struct Node {
    MeshLog log;
    std::unique_ptr<Port> port;
    std::unique_ptr<replicate::Transport> transport;
    uint64_t boots = 0;
  };
  struct Arrival {
    int64_t at_ns;
    uint64_t number, to;
    Bytes datagram;
    bool operator>(const Arrival& other) const {
      return std::pair(at_ns, number) > std::pair(other.at_ns, other.number);
    }
  };

  void start(uint64_t node);
  void carry(uint64_t from, uint64_t to, std::span<const std::byte> datagram, bool is_multicast);
  void enqueue(uint64_t to, Bytes datagram, int64_t delay_ns);
  bool chance(uint32_t per_mille) { return random_.below(1000) < per_mille; }
  void step(int64_t until_ns);

  MeshOptions options_;
  test::Random random_;
  int64_t now_ns_ = 1'000'000'000;
  uint64_t arrivals_ = 0;
  std::map<uint64_t, std::unique_ptr<Node>> nodes_;
  std::priority_queue<Arrival, std::vector<Arrival>, std::greater<>> queue_;
};

}  // namespace casbook::test_support
