#include "replicate/sealed_stream.h"

#include <cstring>
#include <string_view>

#include <sodium.h>

#include "base/assert.h"
#include "journal/copy.h"

namespace casbook::replicate {

namespace {

constexpr size_t kRandomBytes = 32, kProofBytes = 32;
constexpr size_t kHeaderBytesOfStream = crypto_secretstream_xchacha20poly1305_HEADERBYTES;
constexpr size_t kSealBytesOfFrame = crypto_secretstream_xchacha20poly1305_ABYTES;
static_assert(kStreamHelloBytes == 32 + kRandomBytes);
static_assert(kStreamWelcomeBytes == 16 + kRandomBytes + kProofBytes + kHeaderBytesOfStream);
static_assert(kStreamProofBytes == kProofBytes + kHeaderBytesOfStream);
// Behind the random bytes: what the proofs are over.
constexpr size_t kWelcomeProven = 16 + kRandomBytes;
constexpr uint32_t kPlainBytesMax = journal::kCopyMessageBytesMax;

// hello: magic (4), version (1), reserved (1), key (2), cluster (8), client (8), server (8), random
// (32) welcome: magic (4), version (1), reserved (3), server (8), random (32), proof (32), header
// (24)
struct Head {
  uint32_t magic = kStreamMagic;
  uint8_t version = kStreamVersion;
  uint8_t reserved = 0;
  KeyId key = 0;  // of a hello
};
static_assert(sizeof(Head) == 8);

template <class T>
void put_at(std::span<std::byte> bytes, size_t offset, const T& value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}
template <class T>
T get_at(std::span<const std::byte> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

bool is_of_this_version(std::span<const std::byte> bytes) {
  const Head expected;
  return std::memcmp(bytes.data(), &expected, offsetof(Head, key)) == 0;
}

const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}
unsigned char* raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

}  // namespace

struct SealedStream::State {
  crypto_secretstream_xchacha20poly1305_state out, in;
  std::array<std::byte, 32> in_key{};
  ~State() {
    sodium_memzero(&out, sizeof out);
    sodium_memzero(&in, sizeof in);
    sodium_memzero(in_key.data(), in_key.size());
  }
};

SealedStream::SealedStream(const ClusterKey& key, const StreamName& name)
    : key_(key), name_(name), state_(std::make_unique<State>()) {
  CASBOOK_ASSERT(sodium_init() >= 0);
}
SealedStream::SealedStream(SealedStream&&) noexcept = default;
SealedStream::~SealedStream() { sodium_memzero(&key_, sizeof key_); }

// Over all that both said before the first proof.
std::array<std::byte, 32> SealedStream::keyed(const char* purpose) const {
  std::array<std::byte, 32> hash;
  crypto_generichash_state state;
  crypto_generichash_init(&state, raw(key_.bytes.data()), key_.bytes.size(), hash.size());
  const std::string_view word = purpose;
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(word.data()),
                            word.size());
  crypto_generichash_update(&state, raw(hello_.data()), hello_.size());
  crypto_generichash_update(&state, raw(welcome_.data()), kWelcomeProven);
  crypto_generichash_final(&state, raw(hash.data()), hash.size());
  sodium_memzero(&state, sizeof state);
  return hash;
}

void SealedStream::derive(bool is_client) {
  auto up = keyed("casbook stream key of the client"),
       down = keyed("casbook stream key of the server");
  auto& own = is_client ? up : down;
  state_->in_key = is_client ? down : up;
  std::byte* const header =
      is_client ? proof_.data() + kProofBytes : welcome_.data() + kWelcomeProven + kProofBytes;
  crypto_secretstream_xchacha20poly1305_init_push(&state_->out, raw(header), raw(own.data()));
  sodium_memzero(up.data(), up.size());
  sodium_memzero(down.data(), down.size());
}

// --- client ---

SealedStream SealedStream::connect(const ClusterKeys& keys, const StreamName& name) {
  SealedStream stream(keys.sealing(), name);
  const std::span<std::byte> hello = stream.hello_;
  put_at(hello, 0, Head{.key = keys.sealing_id()});
  put_at(hello, 8, name.cluster), put_at(hello, 16, name.client), put_at(hello, 24, name.server);
  randombytes_buf(hello.data() + 32, kRandomBytes);
  return stream;
}

bool SealedStream::take_welcome(std::span<const std::byte> welcome) {
  if (welcome.size() != welcome_.size() || !is_of_this_version(welcome) ||
      get_at<uint64_t>(welcome, 8) != name_.server)
    return false;
  std::memcpy(welcome_.data(), welcome.data(), welcome.size());
  const auto expected = keyed("casbook stream proof of the server");
  if (sodium_memcmp(expected.data(), welcome_.data() + kWelcomeProven, kProofBytes) != 0)
    return false;
  const auto own = keyed("casbook stream proof of the client");
  std::memcpy(proof_.data(), own.data(), kProofBytes);
  derive(true);
  return crypto_secretstream_xchacha20poly1305_init_pull(
             &state_->in, raw(welcome_.data() + kWelcomeProven + kProofBytes),
             raw(state_->in_key.data())) == 0;
}

// --- server ---

std::optional<uint8_t> SealedStream::version_of(std::span<const std::byte> hello) {
  if (hello.size() < sizeof(Head) || get_at<uint32_t>(hello, 0) != kStreamMagic)
    return std::nullopt;
  return get_at<Head>(hello, 0).version;
}

std::optional<SealedStream> SealedStream::accept(const ClusterKeys& keys, const StreamName& name,
                                                 std::span<const std::byte> hello) {
  if (hello.size() != kStreamHelloBytes || !is_of_this_version(hello) ||
      get_at<uint64_t>(hello, 8) != name.cluster || get_at<uint64_t>(hello, 16) == 0 ||
      get_at<uint64_t>(hello, 24) != name.server)
    return std::nullopt;
  const ClusterKey* const named = keys.find(get_at<Head>(hello, 0).key);
  SealedStream stream(
      named ? *named : keys.sealing(),  // a client of another key sees that by the proof
      {.cluster = name.cluster, .client = get_at<uint64_t>(hello, 16), .server = name.server});
  std::memcpy(stream.hello_.data(), hello.data(), hello.size());
  const std::span<std::byte> welcome = stream.welcome_;
  put_at(welcome, 0, Head{});
  put_at(welcome, 8, name.server);
  randombytes_buf(welcome.data() + 16, kRandomBytes);
  const auto proof = stream.keyed("casbook stream proof of the server");
  std::memcpy(welcome.data() + kWelcomeProven, proof.data(), kProofBytes);
  stream.derive(false);
  return stream;
}

bool SealedStream::take_proof(std::span<const std::byte> proof) {
  if (proof.size() != kStreamProofBytes) return false;
  const auto expected = keyed("casbook stream proof of the client");
  if (sodium_memcmp(expected.data(), proof.data(), kProofBytes) != 0) return false;
  return crypto_secretstream_xchacha20poly1305_init_pull(
             &state_->in, raw(proof.data() + kProofBytes), raw(state_->in_key.data())) == 0;
}

// --- frames ---

uint32_t SealedStream::sealed_bytes(size_t plain_bytes) {
  return static_cast<uint32_t>(plain_bytes + kSealBytesOfFrame);
}

void SealedStream::seal(std::span<const std::byte> plain, bool is_last,
                        std::vector<std::byte>& out) {
  CASBOOK_ASSERT(plain.size() <= kPlainBytesMax);
  const uint32_t bytes = sealed_bytes(plain.size());
  const size_t at = out.size();
  out.resize(at + kStreamFrameHeadBytes + bytes);
  std::memcpy(out.data() + at, &bytes, sizeof bytes);
  const unsigned char tag = is_last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
                                    : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;
  crypto_secretstream_xchacha20poly1305_push(&state_->out,
                                             raw(out.data() + at + kStreamFrameHeadBytes), nullptr,
                                             raw(plain.data()), plain.size(), nullptr, 0, tag);
}

std::optional<uint32_t> SealedStream::bytes_of(std::span<const std::byte> head) {
  if (head.size() != kStreamFrameHeadBytes) return std::nullopt;
  const auto bytes = get_at<uint32_t>(head, 0);
  const bool is_sound = bytes >= kSealBytesOfFrame && bytes <= sealed_bytes(kPlainBytesMax);
  return is_sound ? std::optional(bytes) : std::nullopt;
}

bool SealedStream::open(std::span<const std::byte> sealed, std::vector<std::byte>& plain,
                        bool& is_last) {
  if (sealed.size() < kSealBytesOfFrame) return false;
  plain.resize(sealed.size() - kSealBytesOfFrame);
  unsigned char tag = 0;
  if (crypto_secretstream_xchacha20poly1305_pull(&state_->in, raw(plain.data()), nullptr, &tag,
                                                 raw(sealed.data()), sealed.size(), nullptr,
                                                 0) != 0)
    return false;
  is_last = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
  return true;
}

}  // namespace casbook::replicate
