// The cluster's key, and datagrams sealed with what is derived from it (libsodium).
//
// Every datagram of one run of a node is sealed under a key of its own:
//
//   BLAKE2b-256(key = cluster key, "casbook datagram key" | cluster | sender | boot | cipher)
//
// with the datagram's number as nonce. `boot` is random each start, so no nonce is used twice under
// a key, whatever a node remembers of its earlier runs.
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

// A new key to a new file, mode 0600; synced. book_exists: there is such a file.
Result<void> write_new_key(const std::string& path);
// no_permission: group or others may read or write it, or it is not this user's or root's; damaged.
Result<ClusterKey> read_key(const std::string& path);

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
