// The bytes of datagrams and frames: exactly those of PROTOCOL.md, and nothing else is taken.
#include "replicate/wire.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/probe.h"

namespace casbook {
namespace {

using namespace replicate;
using base::Mutant;
using journal::EntryType;

using Bytes = std::vector<std::byte>;

Bytes encoded(const Frame& frame) {
  Bytes bytes(encoded_bytes(frame));
  EXPECT_EQ(encode(frame, bytes.data()), bytes.size());
  return bytes;
}

std::optional<Frame> decoded(std::span<const std::byte> bytes) {
  FrameReader reader(bytes);
  auto frame = reader.next();
  if (frame && reader.next()) return std::nullopt;
  return reader.is_malformed() ? std::nullopt : frame;
}

// Encoded again it is the same, so all of it travelled.
void expect_travels(const Frame& frame) {
  const Bytes bytes = encoded(frame);
  const auto back = decoded(bytes);
  ASSERT_TRUE(back);
  ASSERT_EQ(back->index(), frame.index());
  EXPECT_EQ(encoded(*back), bytes);
}

// As hexadecimal digits, so that a test shows the bytes.
std::string hex(const Bytes& bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", std::to_integer<unsigned>(byte));
    text += digits;
  }
  return text;
}

const Bytes kBody(100, std::byte{0xab});

DataFrame data_frame() {
  return {.term = 2,
          .index = 3,
          .first_lsn = 4,
          .type = EntryType::records,
          .count = 5,
          .total = 100,
          .offset = 64,
          .piece = std::span(kBody).subspan(64)};
}

ReferenceFrame reference_frame() {
  ReferenceFrame frame;
  frame.version = 1, frame.term = 5, frame.prev_index = 7, frame.prev_term = 2;
  frame.commit = 6, frame.round = 9;
  frame.runs.add({3, 2}), frame.runs.add({1, 5});
  frame.destinations.add(11), frame.destinations.add(12);
  return frame;
}

NakFrame nak_frame() {
  NakFrame frame;
  frame.holes.add({.index = 9, .entries = 4096});
  frame.holes.add({.index = 8, .first_granule = 2, .granules = 3});
  return frame;
}

Digest digest_frame() {
  return {.term = 1,
          .number = 2,
          .index = 9,
          .position = {4},
          .entries_before = 5,
          .entries = {6, 7},
          .first_unit = 2 * kDigestBlockUnits,
          .blocks = {{8, {9, 10}}, {11, {12, 13}}}};
}

std::vector<Frame> one_of_each() {
  return {data_frame(),
          reference_frame(),
          AppendResult{1, 2, 3, 4, 5, 6},
          VoteRequest{1, 2, 3, 4, 5, true, false},
          VoteResult{1, 2, true, false, 3, 4},
          TimeoutNow{1, 2, 3, 4},
          Received{1, 2, 3},
          nak_frame(),
          HelloFrame{1, 2, 6},
          WelcomeFrame{1, 2, 6, 3, 4},
          PulseFrame{1, 2, 3, 4},
          Offer{5, 3, 2},
          ProbeFrame{5},
          ProbeSeenFrame{6},
          digest_frame(),
          DigestAnswer{1, 2, 3, true, DigestAnswer::kEntries, {4, 5}},
          DigestVerdict{1, 2, true},
          IntroductionFrame{"10.0.0.1:7400"},
          DiskWanted{3, 4, true}};
}

TEST(Wire, CarriesEveryFieldOfEveryFrame) {
  for (const Frame& frame : one_of_each()) expect_travels(frame);
}

TEST(Wire, HasTheBytesThatTheProtocolSays) {
  EXPECT_EQ(hex(encoded(VoteRequest{1, 2, 3, 4, 5, true, false})),
            "04"
            "2300"
            "01"
            "0200000000000000"
            "0300000000000000"
            "0400000000000000"
            "0500000000000000"
            "01"
            "00");
  EXPECT_EQ(hex(encoded(VoteResult{1, 2, true, true, 3, 0x0104})),
            "05"
            "0f00"
            "01"
            "0200000000000000"
            "01"
            "01"
            "0300"
            "0401");
  EXPECT_EQ(hex(encoded(Received{1, 2, 3})),
            "07"
            "1800"
            "0100000000000000"
            "0200000000000000"
            "0300000000000000");
  EXPECT_EQ(hex(encoded(DigestVerdict{1, 2, true})),
            "11"
            "1100"
            "0100000000000000"
            "0200000000000000"
            "01");
  EXPECT_EQ(hex(encoded(IntroductionFrame{"h:1"})),
            "12"
            "0300"
            "683a31");
  EXPECT_EQ(hex(encoded(DiskWanted{1, 2, true})),
            "13"
            "1100"
            "0100000000000000"
            "0200000000000000"
            "01");
  EXPECT_EQ(encoded(digest_frame()).size(), kDigestHeadBytes + 2 * kDigestBlockBytes);
  DataFrame data = data_frame();
  data.total = data.offset = 0, data.piece = {}, data.type = EntryType::barrier, data.count = 0;
  EXPECT_EQ(hex(encoded(data)),
            "01"
            "2500"
            "02"
            "0200000000000000"
            "0300000000000000"
            "0400000000000000"
            "00000000"
            "00000000"
            "00000000");
  NakFrame nak;
  nak.holes.add({.index = 8, .first_granule = 2, .granules = 3});
  EXPECT_EQ(hex(encoded(nak)),
            "08"
            "1100"
            "01"
            "0800000000000000"
            "01000000"
            "0200"
            "0300");
  Bytes header(kHeaderBytes);
  encode({.cipher = Cipher::aes_256_gcm,
          .key = 0x0706,
          .cluster = 1,
          .sender = 2,
          .destination = 3,
          .boot = 4,
          .seq = 5},
         std::span<std::byte, kHeaderBytes>(header));
  EXPECT_EQ(hex(header),
            "43425250"
            "02"
            "01"
            "0607"
            "0100000000000000"
            "0200000000000000"
            "0300000000000000"
            "0400000000000000"
            "0500000000000000");
}

// D7: without it a pre-vote's answer counts as a vote.
TEST(Wire, CarriesTheVersionOfRaftMessages) {
  const auto versions_travel = [] {
    const auto version_of = [](const Frame& frame) {
      const auto back = decoded(encoded(frame));
      return back ? std::visit(
                        [](const auto& f) -> int {
                          if constexpr (requires { f.version; }) return f.version;
                          return -1;
                        },
                        *back)
                  : -2;
    };
    ReferenceFrame reference;
    reference.version = 3, reference.term = 1;
    return version_of(reference) == 3 && version_of(AppendResult{.version = 3}) == 3 &&
           version_of(VoteRequest{.version = 3}) == 3 &&
           version_of(VoteResult{.version = 3}) == 3 && version_of(TimeoutNow{.version = 3}) == 3;
  };
  EXPECT_TRUE(versions_travel());
  base::probes.mutant = Mutant::transport_drops_version;
  EXPECT_FALSE(versions_travel());
  base::probes.mutant = Mutant::none;
}

TEST(Wire, RefusesFramesThatAreCutOrHaveBytesLeft) {
  for (const Frame& frame : one_of_each()) {
    const Bytes bytes = encoded(frame);
    for (size_t n = 1; n < bytes.size(); ++n)
      EXPECT_FALSE(decoded(std::span(bytes).first(n))) << frame.index() << " " << n;
    // These take all there is, and look at it.
    if (std::holds_alternative<DataFrame>(frame) || std::holds_alternative<ProbeFrame>(frame))
      continue;
    Bytes longer = bytes;
    longer.push_back({});
    longer[1] = static_cast<std::byte>(std::to_integer<int>(longer[1]) + 1);
    EXPECT_FALSE(decoded(longer)) << frame.index();
  }
}

TEST(Wire, RefusesUnknownKinds) {
  for (int kind = 0; kind < 256; ++kind) {
    Bytes bytes = encoded(Received{1, 2, 3});
    bytes[0] = static_cast<std::byte>(kind);
    const auto frame = decoded(bytes);
    EXPECT_EQ(frame.has_value(), kind == 7) << kind;
  }
}

TEST(Wire, RefusesHeadersThatAreNotOurs) {
  Bytes datagram(kHeaderBytes + kSealBytes);
  const DatagramHeader header{.cluster = 1, .sender = 2, .destination = 0, .boot = 4, .seq = 5};
  encode(header, std::span<std::byte, kHeaderBytes>(datagram.data(), kHeaderBytes));
  const auto back = decode_header(datagram);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, header);
  EXPECT_FALSE(decode_header(std::span(datagram).first(datagram.size() - 1)));
  EXPECT_FALSE(decode_header(Bytes(kDatagramBytesMax + 1)));
  for (const size_t at : {0, 3, 4}) {  // magic, version
    Bytes wrong = datagram;
    wrong[at] ^= std::byte{0x10};
    EXPECT_FALSE(decode_header(wrong)) << at;
  }
  Bytes cipher = datagram;
  cipher[5] = std::byte{3};
  EXPECT_FALSE(decode_header(cipher));
  EXPECT_EQ(decode_version(datagram), kWireVersion);
  datagram[4] = std::byte{99};
  EXPECT_EQ(decode_version(datagram), 99) << "of whatever version";
  EXPECT_EQ(decode_version(std::span(datagram).first(5)), 99);
  EXPECT_FALSE(decode_version(std::span(datagram).first(4)));
  for (const size_t field : {16, 32, 40}) {  // sender, boot, seq
    Bytes zero = datagram;
    std::memset(zero.data() + field, 0, 8);
    EXPECT_FALSE(decode_header(zero)) << field;
  }
}

template <class F, class Change>
void expect_refused(F frame, Change change, const char* what) {
  EXPECT_TRUE(decoded(encoded(frame))) << what;
  change(frame);
  EXPECT_FALSE(decoded(encoded(frame))) << what;
}

TEST(Wire, RefusesEntriesThatContradictThemselves) {
  const DataFrame good = data_frame();
  expect_refused(
      good, [](auto& f) { f.index = 0; }, "index");
  expect_refused(
      good, [](auto& f) { f.term = 0; }, "term 0");
  expect_refused(
      good, [](auto& f) { f.term = kTermMax + 1; }, "term");
  expect_refused(
      good, [](auto& f) { f.type = static_cast<EntryType>(4); }, "type");
  expect_refused(
      good, [](auto& f) { f.type = EntryType::barrier; }, "records of a barrier");
  expect_refused(
      good, [](auto& f) { f.count = 0; }, "no records");
  expect_refused(
      good, [](auto& f) { f.count = 101; }, "more records than bytes");
  expect_refused(
      good, [](auto& f) { f.offset = 32; }, "offset");
  expect_refused(
      good, [](auto& f) { f.offset = 128; }, "behind the end");
  expect_refused(
      good, [](auto& f) { f.offset = UINT32_MAX / 64 * 64; }, "far behind the end");
  expect_refused(
      good, [](auto& f) { f.total = 99; }, "too long");
  expect_refused(
      good, [](auto& f) { f.total = 200; }, "ends within a granule");
  expect_refused(
      good, [](auto& f) { f.total = journal::kEntryBytesMax + 1; }, "too large");
  expect_refused(
      good, [](auto& f) { f.piece = {}; }, "empty piece");
}

TEST(Wire, RefusesReferencesThatContradictThemselves) {
  const ReferenceFrame good = reference_frame();
  expect_refused(
      good, [](auto& f) { f.runs.items[0].count = 0; }, "empty run");
  expect_refused(
      good, [](auto& f) { f.runs.items[0].count = kReferenceEntriesMax; }, "too many");
  expect_refused(
      good, [](auto& f) { f.runs.items[0].term = 1; }, "terms that fall");
  expect_refused(
      good, [](auto& f) { f.runs.items[1].term = 6; }, "a term of the future");
  expect_refused(
      good, [](auto& f) { f.prev_index = 0; }, "a term of no entry");
  expect_refused(
      good, [](auto& f) { f.prev_term = 0; }, "an entry of no term");
  expect_refused(
      good, [](auto& f) { f.prev_index = UINT64_MAX - 2; }, "overflow");
  expect_refused(
      good, [](auto& f) { f.destinations.items[1] = 0; }, "no node");
  expect_refused(
      good, [](auto& f) { f.term = kTermMax + 1; }, "term");
  for (const size_t at : {3 + 41, 3 + 42}) {  // how many runs, how many destinations
    Bytes bytes = encoded(good);
    bytes[at] = std::byte{17};
    EXPECT_FALSE(decoded(bytes)) << at;
  }
}

TEST(Wire, RefusesHolesThatContradictThemselves) {
  NakFrame good;
  good.holes.add({.index = 8, .first_granule = 2, .granules = 3});
  const auto change_hole = [](auto change) {
    return [=](NakFrame& f) { change(f.holes.items[0]); };
  };
  expect_refused(good, change_hole([](Hole& h) { h.index = 0; }), "index");
  expect_refused(good, change_hole([](Hole& h) { h.entries = 0; }), "none");
  expect_refused(good, change_hole([](Hole& h) { h.entries = 2; }), "a piece of two entries");
  expect_refused(good, change_hole([](Hole& h) { h.granules = 0; }), "a whole one from its middle");
  expect_refused(good, change_hole([](Hole& h) { h.granules = kGranulesMax - 1; }), "too long");
  expect_refused(good, change_hole([](Hole& h) { h = {.index = 1, .entries = 4097}; }), "too many");
  expect_refused(
      good, [](auto& f) { f.holes.count = 0; }, "no holes");
  expect_refused(
      HelloFrame{1, 2, 3}, [](auto& f) { f.challenge = 0; }, "no challenge");
  expect_refused(
      WelcomeFrame{1, 2, 3}, [](auto& f) { f.answer = 0; }, "no answer");
}

TEST(Wire, ReadsFramesOneAfterTheOther) {
  Bytes all;
  for (const Frame& frame : one_of_each()) {
    const Bytes bytes = encoded(frame);
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  FrameReader reader(all);
  for (size_t kind = 0; kind < std::variant_size_v<Frame>; ++kind) {
    const auto frame = reader.next();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->index(), kind);
  }
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.is_malformed());
}

TEST(Wire, RefusesDigestsThatCannotBe) {
  const auto is_refused = [](const std::function<void(Digest&)>& change) {
    Digest digest = digest_frame();
    change(digest);
    return !decoded(encoded(digest));
  };
  EXPECT_FALSE(is_refused([](Digest&) {}));
  EXPECT_TRUE(is_refused([](Digest& d) { d.first_unit += 1; })) << "inside a block";
  EXPECT_TRUE(is_refused([](Digest& d) { d.first_unit = uint64_t{1} << 63; }));
  EXPECT_TRUE(is_refused([](Digest& d) { d.entries_before = d.index + 1; }));
  EXPECT_TRUE(is_refused([](Digest& d) { d.blocks.resize(kDigestBlocksMax + 1); }));
  EXPECT_FALSE(decoded(encoded(DigestAnswer{.differing = kDigestBlocksMax, .sums = {}})));
}

}  // namespace
}  // namespace casbook
