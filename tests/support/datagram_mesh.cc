#include "support/datagram_mesh.h"

#include <algorithm>
#include <utility>

namespace casbook::test_support {

using replicate::Transport;

struct Mesh::Port final : replicate::Network {
  Port(Mesh& of, uint64_t of_node) : mesh(of), node(of_node) {}

  void multicast(std::span<const std::byte> datagram) override {
    if (is_refused(datagram)) return;
    for (const auto& [other, its] : mesh.nodes_)
      if (other != node) mesh.carry(node, other, datagram, true);
  }
  void unicast(uint64_t to, std::span<const std::byte> datagram) override {
    if (is_refused(datagram)) return;
    mesh.carry(node, to, datagram, false);
  }
  void flush() override {}
  uint32_t datagram_bytes() const override { return mesh.options_.datagram_bytes; }
  uint32_t take_refused_bytes() override { return std::exchange(refused, 0); }
  bool is_refused(std::span<const std::byte> datagram) {
    const auto bytes = static_cast<uint32_t>(datagram.size());
    if (mesh.refused_above == 0 || bytes <= mesh.refused_above) return false;
    refused = refused == 0 ? bytes : std::min(refused, bytes);
    return true;
  }

  Mesh& mesh;
  uint64_t node;
  uint32_t refused = 0;
};

Mesh::Mesh(const MeshOptions& options)
    : faults(options.faults), options_(options), random_(options.seed) {
  for (std::byte& byte : key.bytes) byte = static_cast<std::byte>(random_.next());
  for (uint64_t node = 1; node <= options.nodes; ++node) {
    nodes_[node] = std::make_unique<Node>();
    nodes_[node]->port = std::make_unique<Port>(*this, node);
  }
  for (const auto& [node, its] : nodes_) start(node);
}

Mesh::~Mesh() = default;

replicate::TransportOptions Mesh::options_of(uint64_t node) const {
  std::vector<uint64_t> peers;
  for (const auto& [other, its] : nodes_)
    if (other != node) peers.push_back(other);
  return {.cluster = 77,
          .node = node,
          .peers = peers,
          .boot = node * 1000 + nodes_.at(node)->boots,
          .shape = 5,
          .is_multicast = options_.is_multicast,
          .receive_bytes_max = options_.receive_bytes_max,
          .seed = options_.seed};
}

void Mesh::start(uint64_t node) {
  Node& its = *nodes_.at(node);
  ++its.boots;
  its.transport =
      std::make_unique<Transport>(options_of(node), key, *its.port, its.log,
                                  [this, node](uint64_t from, replicate::Message&& message) {
                                    if (got) got(node, from, std::move(message));
                                  });
}

void Mesh::restart(uint64_t node) { start(node); }
void Mesh::stop(uint64_t node) { nodes_.at(node)->transport.reset(); }

void Mesh::carry(uint64_t from, uint64_t to, std::span<const std::byte> datagram,
                 bool is_multicast) {
  Bytes bytes(datagram.begin(), datagram.end());
  if (tap) tap(from, to, bytes);
  ++carried_datagrams;
  if ((is_cut && is_cut(from, to, is_multicast)) || (carries && !carries(from, to, bytes.size())) ||
      chance(faults.lost)) {
    lost_bytes += bytes.size(), ++lost_datagrams;
    return;
  }
  const auto delay = [&] {
    return faults.delay_min_ns + (is_multicast ? faults.multicast_extra_ns : 0) +
           static_cast<int64_t>(
               random_.below(static_cast<uint64_t>(faults.delay_max_ns - faults.delay_min_ns + 1)));
  };
  if (chance(faults.doubled)) enqueue(to, bytes, delay());
  if (chance(faults.spoiled))
    bytes[random_.below(bytes.size())] ^= static_cast<std::byte>(1u << random_.below(8));
  if (chance(faults.cut_short)) bytes.resize(random_.below(bytes.size()));
  enqueue(to, std::move(bytes), delay());
}

void Mesh::enqueue(uint64_t to, Bytes datagram, int64_t delay_ns) {
  queue_.push({now_ns_ + delay_ns, ++arrivals_, to, std::move(datagram)});
}

void Mesh::inject(uint64_t to, const Bytes& datagram) { transport(to).receive(datagram, now_ns_); }

// The next thing that happens, be it an arrival or a deadline.
void Mesh::step(int64_t until_ns) {
  int64_t next_ns = queue_.empty() ? until_ns : std::min(until_ns, queue_.top().at_ns);
  for (const auto& [node, its] : nodes_)
    if (its->transport) next_ns = std::min(next_ns, its->transport->deadline_ns());
  now_ns_ = std::max(now_ns_, next_ns);
  while (!queue_.empty() && queue_.top().at_ns <= now_ns_) {
    const Arrival arrival = queue_.top();
    queue_.pop();
    if (Transport* const to = nodes_.at(arrival.to)->transport.get())
      to->receive(arrival.datagram, now_ns_);
  }
  for (const auto& [node, its] : nodes_)
    if (its->transport && its->transport->deadline_ns() <= now_ns_) its->transport->tick(now_ns_);
}

void Mesh::run_for(int64_t ns) {
  const int64_t until_ns = now_ns_ + ns;
  while (now_ns_ < until_ns) step(until_ns);
}

void Mesh::run_until(const std::function<bool()>& done, int64_t ns_max) {
  const int64_t until_ns = now_ns_ + ns_max;
  while (!done() && now_ns_ < until_ns) step(std::min(until_ns, now_ns_ + 1'000'000));
}

void Mesh::introduce() {
  run_until(
      [&] {
        return std::ranges::all_of(nodes_, [&](const auto& pair) {
          const auto& its = pair.second;
          return std::ranges::all_of(nodes_, [&](const auto& other) {
            return other.first == pair.first || !its->transport ||
                   its->transport->heard_ns(other.first) != 0;
          });
        });
      },
      5'000'000'000);
}

}  // namespace casbook::test_support
