#include "replicate/wire.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/assert.h"
#include "base/limits.h"
#include "base/probe.h"

namespace casbook::replicate {

static_assert(std::endian::native == std::endian::little, "the wire is little-endian");

namespace {

using base::Mutant;
using base::mutated;
using journal::EntryType;

// Numbers are on the wire: those of the alternatives of Frame, from 1.
constexpr uint8_t kind_of(const Frame& frame) { return static_cast<uint8_t>(frame.index() + 1); }

class Writer {
 public:
  explicit Writer(std::byte* into) : at_(into) {}
  template <class... T>
  void put(T... values) {
    (put_one(values), ...);
  }
  void put_bytes(std::span<const std::byte> bytes) {
    if (!bytes.empty()) std::memcpy(at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }
  void put_zeros(uint32_t bytes) {
    std::memset(at_, 0, bytes);
    at_ += bytes;
  }
  std::byte* at() const { return at_; }

 private:
  template <class T>
  void put_one(T value) {
    static_assert(std::is_integral_v<T>);
    std::memcpy(at_, &value, sizeof value);
    at_ += sizeof value;
  }

  std::byte* at_;
};

// Once something did not fit, all that follows is zero and is_good() false.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : left_(bytes) {}
  template <class... T>
  void get(T&... values) {
    (get_one(values), ...);
  }
  std::span<const std::byte> rest() { return std::exchange(left_, {}); }
  bool is_good() const { return is_good_; }
  bool is_at_end() const { return is_good_ && left_.empty(); }
  void refuse() { is_good_ = false; }

 private:
  template <class T>
  void get_one(T& value) {
    value = {};
    if (left_.size() < sizeof value) return refuse();
    std::memcpy(&value, left_.data(), sizeof value);
    left_ = left_.subspan(sizeof value);
  }
  void get_one(bool& value) {
    uint8_t byte = 0;
    get_one(byte);
    if (byte > 1) refuse();
    value = byte == 1;
  }

  std::span<const std::byte> left_;
  bool is_good_ = true;
};

// --- encoders, in the order of Frame
// ---------------------------------------------------------------

uint8_t sent_version(uint8_t version) {
  return mutated(Mutant::transport_drops_version) ? 0 : version;
}
uint8_t byte_of(bool value) { return value ? 1 : 0; }

void put(Writer& out, const DataFrame& frame) {
  out.put(static_cast<uint8_t>(frame.type), frame.term, frame.index, frame.first_lsn, frame.count,
          frame.total, frame.offset);
  out.put_bytes(frame.piece);
}
void put(Writer& out, const ReferenceFrame& frame) {
  out.put(sent_version(frame.version), frame.term, frame.prev_index, frame.prev_term, frame.commit,
          frame.round, static_cast<uint8_t>(frame.runs.count),
          static_cast<uint8_t>(frame.destinations.count));
  for (const TermRun& run : frame.runs.list()) out.put(run.count, run.term);
  for (const uint64_t node : frame.destinations.list()) out.put(node);
}
void put(Writer& out, const AppendResult& frame) {
  out.put(sent_version(frame.version), frame.term, frame.rejected, frame.last_index, frame.features,
          frame.capacity);
}
void put(Writer& out, const VoteRequest& frame) {
  out.put(sent_version(frame.version), frame.term, frame.candidate, frame.last_index,
          frame.last_term, byte_of(frame.disrupt_leader), byte_of(frame.is_pre_vote));
}
void put(Writer& out, const VoteResult& frame) {
  out.put(sent_version(frame.version), frame.term, byte_of(frame.is_granted),
          byte_of(frame.is_pre_vote), frame.features, frame.capacity);
}
void put(Writer& out, const TimeoutNow& frame) {
  out.put(sent_version(frame.version), frame.term, frame.last_index, frame.last_term);
}
void put(Writer& out, const Received& frame) { out.put(frame.term, frame.index, frame.round); }
void put(Writer& out, const NakFrame& frame) {
  out.put(static_cast<uint8_t>(frame.holes.count));
  for (const Hole& hole : frame.holes.list())
    out.put(hole.index, hole.entries, hole.first_granule, hole.granules);
}
void put(Writer& out, const HelloFrame& frame) {
  out.put(frame.challenge, frame.shape, frame.ciphers);
}
void put(Writer& out, const WelcomeFrame& frame) {
  out.put(frame.answer, frame.shape, frame.ciphers, frame.storage_id, frame.known_storage_id);
}
void put(Writer& out, const PulseFrame& frame) {
  out.put(frame.multicast_seen, frame.clock, frame.echo, frame.held_ns);
}
void put(Writer& out, const Offer& frame) {
  out.put(frame.term, frame.base_index, frame.base_term);
}
void put(Writer& out, const ProbeFrame& frame) { out.put_zeros(frame.padding); }
void put(Writer& out, const ProbeSeenFrame& frame) { out.put(frame.bytes); }
void put(Writer& out, const Digest& frame) {
  out.put(frame.term, frame.number, frame.index, frame.position.value, frame.entries_before,
          frame.entries.plain, frame.entries.weighted, frame.first_unit,
          static_cast<uint8_t>(frame.blocks.size()));
  for (const DigestBlock& block : frame.blocks)
    out.put(block.left_out, block.sums.plain, block.sums.weighted);
}
void put(Writer& out, const DigestAnswer& frame) {
  out.put(frame.term, frame.number, frame.equal, byte_of(frame.are_entries_equal), frame.differing,
          frame.sums.plain, frame.sums.weighted);
}
void put(Writer& out, const DigestVerdict& frame) {
  out.put(frame.term, frame.number, byte_of(frame.is_of_majority));
}
void put(Writer& out, const DiskWanted& frame) {
  out.put(frame.term, frame.index, byte_of(frame.is_alone));
}

void put(Writer& out, const IntroductionFrame& frame) {
  out.put_bytes(std::as_bytes(std::span(frame.address)));
}

uint32_t body_bytes(const DataFrame& frame) {
  return kDataHeadBytes - kFrameHeadBytes + static_cast<uint32_t>(frame.piece.size());
}
uint32_t body_bytes(const ReferenceFrame& frame) {
  return 43 + 12 * frame.runs.count + 8 * frame.destinations.count;
}
uint32_t body_bytes(const AppendResult&) { return 29; }
uint32_t body_bytes(const VoteRequest&) { return 35; }
uint32_t body_bytes(const VoteResult&) { return 15; }
uint32_t body_bytes(const TimeoutNow&) { return 25; }
uint32_t body_bytes(const Received&) { return 24; }
uint32_t body_bytes(const NakFrame& frame) { return 1 + 16 * frame.holes.count; }
uint32_t body_bytes(const HelloFrame&) { return 17; }
uint32_t body_bytes(const WelcomeFrame&) { return 33; }
uint32_t body_bytes(const PulseFrame&) { return 32; }
uint32_t body_bytes(const Offer&) { return 24; }
uint32_t body_bytes(const ProbeFrame& frame) { return frame.padding; }
uint32_t body_bytes(const ProbeSeenFrame&) { return 2; }
uint32_t body_bytes(const Digest& frame) {
  return kDigestHeadBytes - kFrameHeadBytes +
         kDigestBlockBytes * static_cast<uint32_t>(frame.blocks.size());
}
uint32_t body_bytes(const DigestAnswer&) { return 42; }
uint32_t body_bytes(const DigestVerdict&) { return 17; }
uint32_t body_bytes(const IntroductionFrame& frame) {
  return static_cast<uint32_t>(frame.address.size());
}
uint32_t body_bytes(const DiskWanted&) { return 17; }

// --- decoders, in the same order ---

// Sums of indices and counts stay numbers. At 1 M entries a second it is reached after 292,000
// years.
constexpr uint64_t kIndexMax = INT64_MAX;

bool is_known(EntryType type) {
  return type == EntryType::records || type == EntryType::barrier || type == EntryType::change;
}

bool is_sound(const DataFrame& frame) {
  const uint64_t bytes = frame.piece.size();
  const bool is_last = frame.offset + bytes == frame.total;
  return is_known(frame.type) && frame.index != 0 && frame.index <= kIndexMax && frame.term != 0 &&
         frame.term <= kTermMax && frame.total <= journal::kEntryBytesMax &&
         (frame.count != 0) == (frame.type == EntryType::records) && frame.count <= frame.total &&
         frame.offset % kGranuleBytes == 0 && frame.offset + bytes <= frame.total &&
         (is_last || bytes % kGranuleBytes == 0) && (bytes != 0 || frame.total == 0);
}

void get(Reader& in, DataFrame& frame) {
  uint8_t type;
  in.get(type, frame.term, frame.index, frame.first_lsn, frame.count, frame.total, frame.offset);
  frame.type = static_cast<EntryType>(type);
  frame.piece = in.rest();
  if (!is_sound(frame)) in.refuse();
}

bool is_sound(const ReferenceFrame& frame) {
  uint64_t term = frame.prev_term, count = 0;
  for (const TermRun& run : frame.runs.list()) {
    if (run.count == 0 || run.term < term || run.term == 0) return false;
    term = run.term, count += run.count;
  }
  for (const uint64_t node : frame.destinations.list())
    if (node == kToAll) return false;
  return count <= kReferenceEntriesMax && term <= frame.term && frame.term <= kTermMax &&
         (frame.prev_index == 0) == (frame.prev_term == 0) && frame.prev_index <= kIndexMax;
}

void get(Reader& in, ReferenceFrame& frame) {
  uint8_t runs, destinations;
  in.get(frame.version, frame.term, frame.prev_index, frame.prev_term, frame.commit, frame.round,
         runs, destinations);
  if (runs > frame.runs.capacity() || destinations > frame.destinations.capacity())
    return in.refuse();
  for (uint32_t i = 0; i < runs; ++i) {
    TermRun run;
    in.get(run.count, run.term);
    frame.runs.add(run);
  }
  for (uint32_t i = 0; i < destinations; ++i) {
    uint64_t node;
    in.get(node);
    frame.destinations.add(node);
  }
  if (!is_sound(frame)) in.refuse();
}
void get(Reader& in, AppendResult& frame) {
  in.get(frame.version, frame.term, frame.rejected, frame.last_index, frame.features,
         frame.capacity);
}
void get(Reader& in, VoteRequest& frame) {
  in.get(frame.version, frame.term, frame.candidate, frame.last_index, frame.last_term,
         frame.disrupt_leader, frame.is_pre_vote);
}
void get(Reader& in, VoteResult& frame) {
  in.get(frame.version, frame.term, frame.is_granted, frame.is_pre_vote, frame.features,
         frame.capacity);
}
void get(Reader& in, TimeoutNow& frame) {
  in.get(frame.version, frame.term, frame.last_index, frame.last_term);
}
void get(Reader& in, Received& frame) { in.get(frame.term, frame.index, frame.round); }

bool is_sound(const Hole& hole) {
  const bool is_piece = hole.granules != 0;
  return hole.index != 0 && hole.entries != 0 && hole.entries <= kHoleEntriesMax &&
         hole.index <= kIndexMax && (is_piece ? hole.entries == 1 : hole.first_granule == 0) &&
         hole.first_granule + hole.granules <= kGranulesMax;
}

void get(Reader& in, NakFrame& frame) {
  uint8_t holes;
  in.get(holes);
  if (holes == 0 || holes > frame.holes.capacity()) return in.refuse();
  for (uint32_t i = 0; i < holes; ++i) {
    Hole hole;
    in.get(hole.index, hole.entries, hole.first_granule, hole.granules);
    if (!is_sound(hole)) return in.refuse();
    frame.holes.add(hole);
  }
}
void get(Reader& in, HelloFrame& frame) {
  in.get(frame.challenge, frame.shape, frame.ciphers);
  if (frame.challenge == 0) in.refuse();
}
void get(Reader& in, WelcomeFrame& frame) {
  in.get(frame.answer, frame.shape, frame.ciphers, frame.storage_id, frame.known_storage_id);
  if (frame.answer == 0) in.refuse();
}
void get(Reader& in, PulseFrame& frame) {
  in.get(frame.multicast_seen, frame.clock, frame.echo, frame.held_ns);
}
void get(Reader& in, Offer& frame) {
  in.get(frame.term, frame.base_index, frame.base_term);
  const bool is_sound = frame.base_index != 0 && frame.base_index <= kIndexMax &&
                        frame.base_term != 0 && frame.base_term <= frame.term &&
                        frame.term <= kTermMax;
  if (!is_sound) in.refuse();
}
void get(Reader& in, ProbeFrame& frame) {
  const auto zeros = in.rest();
  frame.padding = static_cast<uint32_t>(zeros.size());
  for (const std::byte byte : zeros)
    if (byte != std::byte{0}) return in.refuse();
}
void get(Reader& in, ProbeSeenFrame& frame) { in.get(frame.bytes); }
void get(Reader& in, Digest& frame) {
  uint8_t blocks;
  in.get(frame.term, frame.number, frame.index, frame.position.value, frame.entries_before,
         frame.entries.plain, frame.entries.weighted, frame.first_unit, blocks);
  if (blocks > kDigestBlocksMax || frame.entries_before > frame.index || frame.index > kIndexMax ||
      frame.first_unit % kDigestBlockUnits != 0 || frame.first_unit > kIndexMax)
    return in.refuse();
  frame.blocks.resize(blocks);
  for (DigestBlock& block : frame.blocks)
    in.get(block.left_out, block.sums.plain, block.sums.weighted);
}
void get(Reader& in, DigestAnswer& frame) {
  in.get(frame.term, frame.number, frame.equal, frame.are_entries_equal, frame.differing,
         frame.sums.plain, frame.sums.weighted);
  if (frame.differing >= kDigestBlocksMax && frame.differing < DigestAnswer::kUnfit) in.refuse();
}
void get(Reader& in, DigestVerdict& frame) {
  in.get(frame.term, frame.number, frame.is_of_majority);
}
void get(Reader& in, DiskWanted& frame) { in.get(frame.term, frame.index, frame.is_alone); }

void get(Reader& in, IntroductionFrame& frame) {
  const auto text = in.rest();
  const auto is_visible = [](std::byte byte) {
    return byte > std::byte{' '} && byte <= std::byte{'~'};
  };
  frame.address = {reinterpret_cast<const char*>(text.data()), text.size()};
  if (text.empty() || text.size() > kIntroducedBytesMax || !std::ranges::all_of(text, is_visible))
    in.refuse();
}

template <size_t kIndex>
std::optional<Frame> decode(Reader in) {
  Frame frame(std::in_place_index<kIndex>);
  get(in, std::get<kIndex>(frame));
  return in.is_at_end() ? std::optional(frame) : std::nullopt;
}

using Decode = std::optional<Frame> (*)(Reader);
template <size_t... kIndex>
constexpr std::array<Decode, sizeof...(kIndex)> decoders(std::index_sequence<kIndex...>) {
  return {&decode<kIndex>...};
}
constexpr auto kDecoders = decoders(std::make_index_sequence<std::variant_size_v<Frame>>());

}  // namespace

uint64_t ReferenceFrame::last_index() const {
  uint64_t last = prev_index;
  for (const TermRun& run : runs.list()) last += run.count;
  return last;
}

void encode(const DatagramHeader& header, std::span<std::byte, kHeaderBytes> into) {
  Writer out(into.data());
  out.put(kDatagramMagic, kWireVersion, static_cast<uint8_t>(header.cipher), header.key,
          header.cluster, header.sender, header.destination, header.boot, header.seq);
  CASBOOK_ASSERT(out.at() == into.data() + into.size());
}

std::optional<uint8_t> decode_version(std::span<const std::byte> datagram) {
  Reader in(datagram);
  uint32_t magic;
  uint8_t version;
  in.get(magic, version);
  return in.is_good() && magic == kDatagramMagic ? std::optional(version) : std::nullopt;
}

std::optional<DatagramHeader> decode_header(std::span<const std::byte> datagram) {
  if (datagram.size() < kHeaderBytes + kSealBytes || datagram.size() > kDatagramBytesMax)
    return std::nullopt;
  Reader in(datagram.first(kHeaderBytes));
  uint32_t magic;
  uint8_t version, cipher;
  DatagramHeader header;
  in.get(magic, version, cipher, header.key, header.cluster, header.sender, header.destination,
         header.boot, header.seq);
  header.cipher = static_cast<Cipher>(cipher);
  const bool is_ours =
      magic == kDatagramMagic && version == kWireVersion &&
      (header.cipher == Cipher::aes_256_gcm || header.cipher == Cipher::chacha20_poly1305) &&
      header.sender != 0 && header.boot != 0 && header.seq != 0;
  return is_ours ? std::optional(header) : std::nullopt;
}

uint32_t encoded_bytes(const Frame& frame) {
  return std::visit([](const auto& f) { return kFrameHeadBytes + body_bytes(f); }, frame);
}

uint32_t encode(const Frame& frame, std::byte* into) {
  const uint32_t bytes = encoded_bytes(frame);
  CASBOOK_ASSERT(bytes - kFrameHeadBytes <= UINT16_MAX);
  Writer out(into);
  out.put(kind_of(frame), static_cast<uint16_t>(bytes - kFrameHeadBytes));
  std::visit([&](const auto& f) { put(out, f); }, frame);
  CASBOOK_ASSERT(out.at() == into + bytes);
  return bytes;
}

std::optional<Frame> FrameReader::next() {
  if (left_.empty() || is_malformed_) return std::nullopt;
  Reader head(left_);
  uint8_t kind;
  uint16_t bytes;
  head.get(kind, bytes);
  std::optional<Frame> frame;
  if (head.is_good() && kind >= 1 && kind <= kDecoders.size() &&
      left_.size() >= kFrameHeadBytes + size_t{bytes}) {
    frame = kDecoders[kind - 1](Reader(left_.subspan(kFrameHeadBytes, bytes)));
    left_ = left_.subspan(kFrameHeadBytes + size_t{bytes});
  }
  is_malformed_ = !frame;
  return frame;
}

}  // namespace casbook::replicate
