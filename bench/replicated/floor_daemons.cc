#include "replicated/floor_daemons.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

#include "durable/disk.h"
#include "replicate/udp_network.h"
#include "replicated/sealer.h"

namespace casbook::bench {
namespace {

using replicate::UdpBatch;
using replicate::UdpNetwork;
using test_support::Hosts;

constexpr const char* kPort = ":7500";  // beside the cluster
constexpr const char* kGroup = "239.192.7.1:7500";
constexpr uint64_t kSentAgainMax = 64;  // datagrams
constexpr uint64_t kFileBytes = 64 << 20;
// Heads of what a datagram of casbook carries beside the records: a data frame, a reference.
constexpr uint64_t kFrameBytes = 40 + 80;
constexpr uint64_t kAnswerBytes = 32;
constexpr uint64_t kKeptMax = 4096;  // datagrams, more than can be under way
constexpr uint32_t kIpAndUdpBytes = 28;
constexpr int64_t kPatienceNs = 5'000'000;

uint32_t datagram_bytes(const FloorShape& shape) { return shape.mtu - kIpAndUdpBytes; }
uint64_t payload_bytes_max(const FloorShape& shape) {
  return datagram_bytes(shape) - sizeof(FloorHeader) - kSealBytes;
}
uint64_t batch_bytes(const FloorShape& shape) {
  return shape.records_per_batch * shape.record_bytes;
}

// Casbook's sockets, in the namespace that the process is in. Ends the program without them.
std::unique_ptr<UdpNetwork> open_network(const FloorShape& shape, uint32_t host, uint32_t hosts) {
  replicate::UdpOptions options{.address = Hosts::address(host) + kPort,
                                .peers = {},
                                .group = kGroup,
                                .interface = {},
                                .mtu = shape.mtu};
  for (uint32_t other = 1; other <= hosts; ++other)
    if (other != host) options.peers.push_back({other, Hosts::address(other) + kPort});
  auto network = UdpNetwork::open(options);
  if (network) return std::move(*network);
  std::fprintf(stderr, "benchmark: %s\n", network.error().message().c_str());
  std::exit(1);
}

// The disk of a host, where the shape says so.
class FloorDisk {
 public:
  FloorDisk(const FloorShape& shape, const std::string& folder)
      : block_(round_up_to_block(shape.callers * batch_bytes(shape) + kBlockBytes)) {
    if (!shape.is_durable) return;
    file_.emplace(folder + "/floor", kFileBytes);
    file_->open_ring();
  }
  bool is_there() const { return file_.has_value(); }
  void take(std::span<const std::byte> bytes) {
    const uint64_t part = std::min<uint64_t>(bytes.size(), block_.bytes() - filled_);
    std::memcpy(block_.data() + filled_, bytes.data(), part);
    filled_ += part;
  }
  void sync() {
    if (filled_ == 0) return;
    file_->write_and_sync(block_.data(), round_up_to_block(filled_));
    filled_ = 0;
  }

 private:
  Blocks block_;
  uint64_t filled_ = 0;
  std::optional<SyncedFile> file_;
};

class Leader {
 public:
  Leader(const FloorShape& shape, FloorLines& lines, uint32_t hosts, const std::string& folder)
      : shape_(shape),
        lines_(lines),
        network_(open_network(shape, 1, hosts)),
        disk_(shape, folder),
        kept_(kKeptMax * datagram_bytes(shape)),
        kept_bytes_(kKeptMax),
        payload_(payload_bytes_max(shape)),
        calls_(shape.callers),
        reached_(hosts) {}

  // Two threads, as casbook's daemon has them.
  [[noreturn]] void run() {
    std::thread(&Leader::hear_answers, this).detach();
    lines_.ready[0].count.add_relaxed(1);
    for (;;) take_calls();
  }

 private:
  struct Call {
    uint64_t asked = 0, end_seq = 0;
    bool is_open = false;
  };

  void take_calls() {
    const uint64_t seen = lines_.bell[0].count.load_acquire();  // [bell]
    bool any = false;
    for (uint32_t i = 0; i < shape_.callers; ++i) {
      const uint64_t asked = lines_.calls[i].asked.count.load_acquire();  // [bell]
      if (asked == calls_[i].asked) continue;
      any = true;
      send_batch(i, asked);
    }
    if (!any) {
      sleep_on(lines_.bell[0], seen);
      return;
    }
    if (!disk_.is_there()) return;
    disk_.sync();
    const std::lock_guard lock(mutex_);
    reached_[0] = last_seq_;
    settle();
  }

  void send_batch(uint32_t caller, uint64_t asked) {
    const std::span batch(&lines_.slabs[caller * batch_bytes(shape_)], batch_bytes(shape_));
    const uint64_t per_datagram = payload_.size() - kFrameBytes;
    const uint64_t datagrams = (batch.size() + per_datagram - 1) / per_datagram;
    uint64_t seq = 0;
    {
      const std::lock_guard lock(mutex_);
      seq = last_seq_;
      last_seq_ += datagrams;
      calls_[caller] = {.asked = asked, .end_seq = last_seq_, .is_open = true};
      if (!disk_.is_there()) reached_[0] = last_seq_;
    }
    const std::lock_guard lock(sending_);
    for (uint64_t at = 0; at < batch.size(); at += per_datagram) {
      const auto piece = batch.subspan(at, std::min(per_datagram, batch.size() - at));
      std::memcpy(payload_.data() + kFrameBytes, piece.data(), piece.size());
      const uint64_t slot = ++seq % kKeptMax;
      const std::span<const std::byte> plain(payload_.data(), kFrameBytes + piece.size());
      kept_bytes_[slot] = sealer_.seal({.sender = 1, .seq = seq}, plain, place_of(slot));
      network_->multicast(kept(slot));
    }
    network_->flush();
    if (disk_.is_there()) disk_.take(batch);
  }

  // Answers come to the port from which the datagrams left.
  void hear_answers() {
    Sealer sealer;
    std::byte plain[kAnswerBytes];
    UdpBatch batch = network_->make_batch();
    for (;;) {
      if (!network_->receive(batch, kPatienceNs)) std::exit(1);
      if (batch.count() == 0) send_again();
      const std::lock_guard lock(mutex_);
      for (uint32_t i = 0; i < batch.count(); ++i) {
        FloorHeader header;
        if (sealer.open(batch[i], header, plain) < 0) continue;
        uint64_t& reached = reached_[header.sender - 1];
        reached = std::max(reached, header.upto);
      }
      settle();
    }
  }

  void send_again() {
    const std::lock_guard sending(sending_);
    uint64_t least = 0, end = 0;
    {
      const std::lock_guard lock(mutex_);
      least = *std::min_element(reached_.begin() + 1, reached_.end());
      end = std::min(last_seq_, least + kSentAgainMax);
    }
    for (uint64_t seq = least + 1; seq <= end; ++seq) network_->multicast(kept(seq % kKeptMax));
    network_->flush();
  }

  // Under the mutex.
  void settle() {
    std::vector<uint64_t>& sorted = sorted_;
    sorted = reached_;
    std::nth_element(sorted.begin(), sorted.begin() + sorted.size() / 2, sorted.end(),
                     std::greater<>());
    const uint64_t by_majority = sorted[sorted.size() / 2];
    for (uint32_t i = 0; i < shape_.callers; ++i) {
      if (!calls_[i].is_open || calls_[i].end_seq > by_majority) continue;
      calls_[i].is_open = false;
      ring(lines_.calls[i].answered, calls_[i].asked);
    }
  }

  std::byte* place_of(uint64_t slot) { return &kept_[slot * datagram_bytes(shape_)]; }
  std::span<const std::byte> kept(uint64_t slot) { return {place_of(slot), kept_bytes_[slot]}; }

  FloorShape shape_;
  FloorLines& lines_;
  std::unique_ptr<UdpNetwork> network_;
  FloorDisk disk_;
  Sealer sealer_;
  std::vector<std::byte> kept_;
  std::vector<uint64_t> kept_bytes_;
  std::vector<std::byte> payload_;
  std::mutex sending_;                      // taken first: what is kept, and the socket's way out
  std::mutex mutex_;                        // what is below
  std::vector<Call> calls_;                 // by caller
  std::vector<uint64_t> reached_, sorted_;  // by host: has all up to that
  uint64_t last_seq_ = 0;
};

}  // namespace

void lead_floor(const FloorShape& shape, FloorLines& lines, uint32_t hosts,
                const std::string& folder) {
  Leader(shape, lines, hosts, folder).run();
}

void follow_floor(const FloorShape& shape, FloorLines& lines, uint32_t host,
                  const std::string& folder) {
  const auto network = open_network(shape, host, host);
  UdpBatch batch = network->make_batch();
  FloorDisk disk(shape, folder);
  Sealer sealer;
  std::vector<std::byte> plain(datagram_bytes(shape)), answer(datagram_bytes(shape));
  lines.ready[0].count.add_relaxed(1);
  uint64_t upto = 0, answers = 0;
  for (;;) {
    if (!network->receive(batch, kPatienceNs)) std::exit(1);
    if (batch.count() == 0) continue;
    for (uint32_t i = 0; i < batch.count(); ++i) {
      FloorHeader header;
      const int64_t bytes = sealer.open(batch[i], header, plain.data());
      if (bytes < 0 || header.seq != upto + 1) continue;
      upto = header.seq;
      if (disk.is_there()) disk.take({plain.data(), static_cast<size_t>(bytes)});
    }
    if (disk.is_there()) disk.sync();
    const FloorHeader header{.sender = host, .seq = ++answers, .upto = upto};
    const std::byte said[kAnswerBytes] = {};
    network->unicast(1, {answer.data(), sealer.seal(header, said, answer.data())});
    network->flush();
  }
}

}  // namespace casbook::bench
