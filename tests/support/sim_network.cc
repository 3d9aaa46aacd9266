#include "support/sim_network.h"

#include <utility>

namespace casbook::test {

namespace {
constexpr uint32_t kDatagramBytes = 1400;
}

// Holds back what is handed over until flush(), as a socket's caller may.
class SimNetwork::Port final : public replicate::Network {
 public:
  Port(SimNetwork& network, uint64_t node) : network_(network), node_(node) {}

  void multicast(std::span<const std::byte> datagram) override { keep(0, datagram); }
  void unicast(uint64_t node, std::span<const std::byte> datagram) override {
    keep(node, datagram);
  }
  void flush() override {
    for (const auto& [to, datagram] : std::exchange(kept_, {})) {
      for (uint64_t node = 1; node <= network_.nodes(); ++node)
        if (node != node_ && (to == 0 || to == node)) network_.send(node_, node, datagram, to == 0);
    }
  }
  uint32_t datagram_bytes() const override { return kDatagramBytes; }

 private:
  void keep(uint64_t to, std::span<const std::byte> datagram) {
    kept_.emplace_back(
        to, std::make_shared<const std::vector<std::byte>>(datagram.begin(), datagram.end()));
  }
  SimNetwork& network_;
  const uint64_t node_;
  std::vector<std::pair<uint64_t, Datagram>> kept_;  // 0: to all
};

SimNetwork::SimNetwork(SimEvents& events, uint64_t seed, uint64_t nodes, Receive receive)
    : events_(events), random_(seed), receive_(std::move(receive)) {
  for (uint64_t node = 1; node <= nodes; ++node)
    ports_.push_back(std::make_unique<Port>(*this, node));
}

void SimNetwork::set_all(const SimLink& link) {
  for (uint64_t from = 1; from <= nodes(); ++from)
    for (uint64_t to = 1; to <= nodes(); ++to) this->link(from, to) = link;
}

void SimNetwork::send(uint64_t from, uint64_t to, const Datagram& datagram, bool is_multicast) {
  if (tap_ && tap_(from, to, *datagram)) return;
  const SimLink& way = link(from, to);
  ++counts_.sent, counts_.sent_bytes += datagram->size();
  const bool is_lost = way.is_cut || (is_multicast && way.is_multicast_silent) ||
                       random_.below(1000) < way.loss_permille;
  if (is_lost) {
    ++counts_.lost, counts_.lost_bytes += datagram->size();
    return;
  }
  deliver(to, datagram, way);
  if (random_.below(1000) < way.double_permille) deliver(to, datagram, way);
}

void SimNetwork::deliver(uint64_t to, const Datagram& datagram, const SimLink& link) {
  Datagram arriving = datagram;
  if (random_.below(1000) < link.flip_permille) {
    auto flipped = std::make_shared<std::vector<std::byte>>(*datagram);
    const uint64_t bit = random_.below(flipped->size() * 8);
    (*flipped)[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    if (random_.one_in(4)) flipped->resize(random_.below(flipped->size()));
    arriving = std::move(flipped);
    ++counts_.flipped, counts_.lost_bytes += datagram->size();
  }
  const int64_t jitter =
      static_cast<int64_t>(random_.below(static_cast<uint64_t>(link.jitter_ns) + 1));
  events_.after(link.delay_ns + jitter, [this, to, arriving] { receive_(to, *arriving); });
}

}  // namespace casbook::test
