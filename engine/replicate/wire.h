// The bytes of a datagram: a header in the clear, then sealed frames. PROTOCOL.md has the tables.
//
// Everything is little-endian and packed. Decoders take any bytes: they read nothing outside of
// them and refuse what is unknown, too large, left over or contradictory.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "replicate/keys.h"
#include "replicate/message.h"

namespace casbook::replicate {

constexpr uint32_t kDatagramMagic = 0x50524243;  // "CBRP"
// Bump when the meaning or place of any byte changes.
constexpr uint8_t kWireVersion = 2;
constexpr uint32_t kHeaderBytes = 48;
constexpr uint32_t kDatagramBytesMin = 512;
constexpr uint32_t kDatagramBytesMax = 65'507;  // of UDP over IPv4

constexpr uint64_t kToAll = 0;

// In the clear, and bound to the seal.
struct DatagramHeader {
  Cipher cipher = Cipher::chacha20_poly1305;
  KeyId key = 0;  // the cluster's key that the seal is made with
  uint64_t cluster = 0, sender = 0;
  uint64_t destination = kToAll;  // node
  uint64_t boot = 0, seq = 0;     // seq counts all datagrams of this boot, to whomever, from 1
  bool operator==(const DatagramHeader&) const = default;
};
void encode(const DatagramHeader& header, std::span<std::byte, kHeaderBytes> into);
// Magic and version stand where they are in every version; nothing else is promised of another one.
// Nothing: no datagram of ours.
std::optional<uint8_t> decode_version(std::span<const std::byte> datagram);
// Nothing: no datagram of ours, or of another version.
std::optional<DatagramHeader> decode_header(std::span<const std::byte> datagram);

// Entries are cut at multiples of this, so that holes can be told in numbers of it.
constexpr uint32_t kGranuleBytes = 64;
constexpr uint32_t kGranulesMax = journal::kEntryBytesMax / kGranuleBytes;
static_assert(kGranulesMax <= UINT16_MAX);
constexpr uint32_t granules_of(uint32_t bytes) {
  return bytes == 0 ? 1 : (bytes + kGranuleBytes - 1) / kGranuleBytes;
}

// A piece of an entry, or all of it.
struct DataFrame {
  uint64_t term = 0, index = 0, first_lsn = 0;
  journal::EntryType type = journal::EntryType::records;
  uint32_t count = 0, total = 0;  // records; bytes of the body
  uint32_t offset = 0;            // of the piece
  std::span<const std::byte> piece;
};

// A list without a heap.
template <class T, size_t kMax>
struct FewOf {
  std::array<T, kMax> items{};
  uint32_t count = 0;

  static constexpr size_t capacity() { return kMax; }
  bool is_full() const { return count == kMax; }
  void add(const T& item) { items[count++] = item; }
  std::span<const T> list() const { return {items.data(), count}; }
};

// Entries that follow one another and have one term.
struct TermRun {
  uint32_t count = 0;
  uint64_t term = 0;
  bool operator==(const TermRun&) const = default;
};

// An AppendEntries whose entries came by DATA. The terms say which of several entries of the same
// index is meant: a deposed leader's may still lie around.
constexpr uint32_t kReferenceEntriesMax = 65'536;
struct ReferenceFrame {
  uint8_t version = 0;
  uint64_t term = 0, prev_index = 0, prev_term = 0, commit = 0, round = 0;
  FewOf<TermRun, 8> runs;
  FewOf<uint64_t, 16> destinations;  // none: whom the datagram is for

  uint64_t last_index() const;
};

// What is missing of entries `index` .. `index + entries - 1`. Of a single entry: so many granules
// from that one on; 0: all of it.
struct Hole {
  uint64_t index = 0;
  uint32_t entries = 1;
  uint16_t first_granule = 0, granules = 0;
  bool operator==(const Hole&) const = default;
};
constexpr uint32_t kHoleEntriesMax = 4096;

struct NakFrame {
  FewOf<Hole, 64> holes;
};

// "Are you alive now? Then answer with this number." Nothing else is taken from a boot that did
// not answer.
struct HelloFrame {
  uint64_t challenge = 0, shape = 0;
  uint8_t ciphers = 0;  // bit n: can read cipher n
};
struct WelcomeFrame {
  uint64_t answer = 0, shape = 0;
  uint8_t ciphers = 0;
  // Of the sender's disk; and of the one that the other was met with first, 0: not met yet
  // (peer_disks.h).
  uint64_t storage_id = 0, known_storage_id = 0;
};

// Each to each, by unicast: that it is there, what it heard by multicast, and how far away it is.
struct PulseFrame {
  uint64_t multicast_seen = 0;     // highest seq of the other that came by multicast
  uint64_t clock = 0;              // of the sender, ns
  uint64_t echo = 0, held_ns = 0;  // the other's last clock, and how long ago it came
};

// Whether a datagram of that size arrives, and that one did (path_size.h).
struct ProbeFrame {
  uint32_t padding = 0;  // bytes of it
};
struct ProbeSeenFrame {
  uint16_t bytes = 0;  // of the datagram
};

// With HELLO: where the sender is, for a node that does not know it yet. Its log may lag behind the
// change that made the sender a member, perhaps the only one that can bring the rest of it.
constexpr uint32_t kIntroducedBytesMax = 255;
struct IntroductionFrame {
  std::string_view address;  // "10.0.0.1:7400"
};

using Frame = std::variant<DataFrame, ReferenceFrame, AppendResult, VoteRequest, VoteResult,
                           TimeoutNow, Received, NakFrame, HelloFrame, WelcomeFrame, PulseFrame,
                           Offer, ProbeFrame, ProbeSeenFrame, Digest, DigestAnswer, DigestVerdict,
                           IntroductionFrame, DiskWanted>;

// Before the fields of a frame: its kind, and how many bytes follow.
constexpr uint32_t kFrameHeadBytes = 3;
constexpr uint32_t kDataHeadBytes = kFrameHeadBytes + 37;
constexpr uint32_t kDigestHeadBytes = kFrameHeadBytes + 65, kDigestBlockBytes = 24;

uint32_t encoded_bytes(const Frame& frame);
// `into` has room for encoded_bytes(). Returns them.
uint32_t encode(const Frame& frame, std::byte* into);

// The frames of a datagram, one after the other. Frames refer to the bytes.
class FrameReader {
 public:
  explicit FrameReader(std::span<const std::byte> bytes) : left_(bytes) {}

  // Nothing: the end, or is_malformed().
  std::optional<Frame> next();
  bool is_malformed() const { return is_malformed_; }

 private:
  std::span<const std::byte> left_;
  bool is_malformed_ = false;
};

}  // namespace casbook::replicate
