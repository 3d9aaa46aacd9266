// The cluster's keys, and datagrams sealed with what is derived from one of them (libsodium).
//
// Every datagram of one run of a node is sealed under a key of its own:
//
//   BLAKE2b-256(key = cluster key, "casbook datagram key" | cluster | sender | boot | cipher)
//
// with the datagram's number as nonce. `boot` is random each start, so no nonce is used twice under
// a key, whatever a node remembers of its earlier runs. The numbers of a boot go on when it changes
// to another cluster key, and back.
//
// Cipher: AES-256-GCM needs instructions that not every machine has, ChaCha20-Poly1305 runs
// anywhere. The header of a datagram says which; a node begins with the latter and changes to the
// former while all whom it knows can read it (peer_session.h).
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>

#include <casbook/result.h>

namespace casbook::replicate {

// 32 random bytes. Whoever has them is a member.
struct ClusterKey {
  std::array<std::byte, 32> bytes{};
};

// Public: tells keys apart and says nothing of them. In the header of a datagram.
using KeyId = uint16_t;
KeyId id_of(const ClusterKey& key);
std::string text_of(KeyId id);  // four hexadecimal digits

// The keys that are valid: what this node sends is sealed with the first, what it opens may be
// sealed with either. So hosts change from one to another one by one, and nothing is lost
// meanwhile.
class ClusterKeys {
 public:
  static constexpr size_t kMax = 2;

  ClusterKeys(const ClusterKey& only);
  // Of different ids.
  ClusterKeys(const ClusterKey& first, const ClusterKey& second);

  std::span<const ClusterKey> all() const { return {keys_.data(), count_}; }
  const ClusterKey& sealing() const { return keys_[0]; }
  KeyId sealing_id() const { return ids_[0]; }
  std::span<const KeyId> ids() const { return {ids_.data(), count_}; }
  const ClusterKey* find(KeyId id) const;  // null: none of them

 private:
  std::array<ClusterKey, kMax> keys_;
  std::array<KeyId, kMax> ids_;
  size_t count_;
};

// Numbers are on the wire.
enum class Cipher : uint8_t { aes_256_gcm = 1, chacha20_poly1305 = 2 };
bool can_use(Cipher cipher);
constexpr uint8_t bit_of(Cipher cipher) {
  return static_cast<uint8_t>(1u << static_cast<uint8_t>(cipher));
}

constexpr uint32_t kSealBytes = 16;

// Of one sender's run. Both ciphers' keys, each its own.
class DatagramKey {
 public:
  DatagramKey(const ClusterKey& key, uint64_t cluster, uint64_t sender, uint64_t boot);
  ~DatagramKey();
  DatagramKey(const DatagramKey&) = delete;
  DatagramKey& operator=(const DatagramKey&) = delete;

  // Writes plain.size() + kSealBytes to `sealed`, which is somewhere else. `nonce`: never twice.
  void seal(Cipher cipher, uint64_t nonce, std::span<const std::byte> header,
            std::span<const std::byte> plain, std::byte* sealed) const;
  // Writes sealed.size() - kSealBytes to `plain`. False: not sealed by this key with this header,
  // or by a cipher that this machine lacks; then `plain` holds nothing of use.
  [[nodiscard]] bool open(Cipher cipher, uint64_t nonce, std::span<const std::byte> header,
                          std::span<const std::byte> sealed, std::byte* plain) const;

 private:
  struct Schedule;
  std::unique_ptr<Schedule> schedule_;
};

// A number that nobody without the key can foresee: for challenges. Not 0.
uint64_t keyed_number(const ClusterKey& key, uint64_t boot, uint64_t seed, uint64_t count);

}  // namespace casbook::replicate
