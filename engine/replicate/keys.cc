#include "replicate/keys.h"

#include <cstring>
#include <string_view>

#include <sodium.h>

#include "base/assert.h"

namespace casbook::replicate {

bool can_use(Cipher cipher) {
  if (sodium_init() < 0) return false;
  return cipher == Cipher::chacha20_poly1305 || crypto_aead_aes256gcm_is_available() == 1;
}

namespace {

using Nonce = std::array<unsigned char, 12>;
static_assert(crypto_aead_aes256gcm_NPUBBYTES == 12);
static_assert(crypto_aead_chacha20poly1305_ietf_NPUBBYTES == 12);
static_assert(crypto_aead_aes256gcm_ABYTES == kSealBytes);
static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == kSealBytes);

Nonce nonce_of(uint64_t number) {
  Nonce nonce{};
  std::memcpy(nonce.data(), &number, sizeof number);
  return nonce;
}

const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}
unsigned char* raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

template <size_t kOut, size_t kIn>
void keyed_hash(const ClusterKey& key, std::string_view purpose,
                const std::array<uint64_t, kIn>& words, std::array<unsigned char, kOut>& out) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, raw(key.bytes.data()), key.bytes.size(), kOut);
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(purpose.data()),
                            purpose.size());
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(words.data()),
                            sizeof words);
  crypto_generichash_final(&state, out.data(), kOut);
  sodium_memzero(&state, sizeof state);
}

}  // namespace

struct DatagramKey::Schedule {
  crypto_aead_aes256gcm_state aes;
  std::array<unsigned char, 32> chacha;
  bool has_aes;
};

DatagramKey::DatagramKey(const ClusterKey& key, uint64_t cluster, uint64_t sender, uint64_t boot)
    : schedule_(std::make_unique<Schedule>()) {
  CASBOOK_ASSERT(sodium_init() >= 0);
  constexpr std::string_view kPurpose = "casbook datagram key";
  const auto derive = [&](Cipher cipher, std::array<unsigned char, 32>& out) {
    keyed_hash(key, kPurpose,
               std::array<uint64_t, 4>{cluster, sender, boot, static_cast<uint64_t>(cipher)}, out);
  };
  derive(Cipher::chacha20_poly1305, schedule_->chacha);
  schedule_->has_aes = can_use(Cipher::aes_256_gcm);
  if (!schedule_->has_aes) return;
  std::array<unsigned char, 32> aes;
  derive(Cipher::aes_256_gcm, aes);
  crypto_aead_aes256gcm_beforenm(&schedule_->aes, aes.data());
  sodium_memzero(aes.data(), aes.size());
}

DatagramKey::~DatagramKey() { sodium_memzero(schedule_.get(), sizeof *schedule_); }

void DatagramKey::seal(Cipher cipher, uint64_t nonce, std::span<const std::byte> header,
                       std::span<const std::byte> plain, std::byte* sealed) const {
  const Nonce public_nonce = nonce_of(nonce);
  unsigned long long bytes = 0;
  if (cipher == Cipher::aes_256_gcm) {
    CASBOOK_ASSERT(schedule_->has_aes);
    crypto_aead_aes256gcm_encrypt_afternm(raw(sealed), &bytes, raw(plain.data()), plain.size(),
                                          raw(header.data()), header.size(), nullptr,
                                          public_nonce.data(), &schedule_->aes);
  } else {
    crypto_aead_chacha20poly1305_ietf_encrypt(raw(sealed), &bytes, raw(plain.data()), plain.size(),
                                              raw(header.data()), header.size(), nullptr,
                                              public_nonce.data(), schedule_->chacha.data());
  }
}

bool DatagramKey::open(Cipher cipher, uint64_t nonce, std::span<const std::byte> header,
                       std::span<const std::byte> sealed, std::byte* plain) const {
  if (sealed.size() < kSealBytes) return false;
  const Nonce public_nonce = nonce_of(nonce);
  unsigned long long bytes = 0;
  if (cipher == Cipher::aes_256_gcm)
    return schedule_->has_aes &&
           crypto_aead_aes256gcm_decrypt_afternm(raw(plain), &bytes, nullptr, raw(sealed.data()),
                                                 sealed.size(), raw(header.data()), header.size(),
                                                 public_nonce.data(), &schedule_->aes) == 0;
  return crypto_aead_chacha20poly1305_ietf_decrypt(
             raw(plain), &bytes, nullptr, raw(sealed.data()), sealed.size(), raw(header.data()),
             header.size(), public_nonce.data(), schedule_->chacha.data()) == 0;
}

KeyId id_of(const ClusterKey& key) {
  CASBOOK_ASSERT(sodium_init() >= 0);
  std::array<unsigned char, 16> hash;
  keyed_hash(key, "casbook key id", std::array<uint64_t, 1>{0}, hash);
  KeyId id;
  std::memcpy(&id, hash.data(), sizeof id);
  return id;
}

std::string text_of(KeyId id) {
  const unsigned char bytes[] = {static_cast<unsigned char>(id >> 8),
                                 static_cast<unsigned char>(id & 0xff)};
  char hex[2 * sizeof bytes + 1];
  return sodium_bin2hex(hex, sizeof hex, bytes, sizeof bytes);
}

ClusterKeys::ClusterKeys(const ClusterKey& only) : keys_{only}, ids_{id_of(only)}, count_(1) {}

ClusterKeys::ClusterKeys(const ClusterKey& first, const ClusterKey& second)
    : keys_{first, second}, ids_{id_of(first), id_of(second)}, count_(2) {
  CASBOOK_ASSERT(ids_[0] != ids_[1]);
}

const ClusterKey* ClusterKeys::find(KeyId id) const {
  for (size_t i = 0; i < count_; ++i)
    if (ids_[i] == id) return &keys_[i];
  return nullptr;
}

uint64_t keyed_number(const ClusterKey& key, uint64_t boot, uint64_t seed, uint64_t count) {
  CASBOOK_ASSERT(sodium_init() >= 0);
  std::array<unsigned char, 16> hash;
  keyed_hash(key, "casbook challenge", std::array<uint64_t, 3>{boot, seed, count}, hash);
  uint64_t number;
  std::memcpy(&number, hash.data(), sizeof number);
  return number ? number : 1;
}

}  // namespace casbook::replicate
