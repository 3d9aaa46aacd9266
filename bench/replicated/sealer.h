// Datagrams sealed as casbook seals its own: a header in the clear that the seal covers,
// AES-256-GCM where the processor has it, else ChaCha20-Poly1305, a nonce that is never used again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <sodium.h>

namespace casbook::bench {

// As large as that of casbook's datagrams (engine/replicate/PROTOCOL.md).
struct FloorHeader {
  uint64_t sender = 0, seq = 0, upto = 0, reserved[3] = {};
};
static_assert(sizeof(FloorHeader) == 48);
constexpr size_t kSealBytes = 16;

class Sealer {
 public:
  Sealer() {
    static const bool is_there = sodium_init() >= 0;
    has_aes_ = is_there && crypto_aead_aes256gcm_is_available() == 1;
    const unsigned char key[32] = {1, 2, 3};
    std::memcpy(key_, key, sizeof(key_));
    if (has_aes_) crypto_aead_aes256gcm_beforenm(&aes_, key_);
  }

  // Returns the bytes of the datagram: header, sealed payload, tag.
  size_t seal(const FloorHeader& header, std::span<const std::byte> payload, std::byte* into) {
    std::memcpy(into, &header, sizeof(header));
    unsigned char nonce[12] = {};
    fill(nonce, header);
    const auto aad = reinterpret_cast<const unsigned char*>(into);
    const auto out = reinterpret_cast<unsigned char*>(into + sizeof(header));
    const auto plain = reinterpret_cast<const unsigned char*>(payload.data());
    unsigned long long bytes = 0;
    if (has_aes_)
      crypto_aead_aes256gcm_encrypt_afternm(out, &bytes, plain, payload.size(), aad, sizeof(header),
                                            nullptr, nonce, &aes_);
    else
      crypto_aead_chacha20poly1305_ietf_encrypt(out, &bytes, plain, payload.size(), aad,
                                                sizeof(header), nullptr, nonce, key_);
    return sizeof(header) + bytes;
  }

  // The payload's bytes; negative: it is none of ours.
  int64_t open(std::span<const std::byte> datagram, FloorHeader& header, std::byte* into) {
    if (datagram.size() < sizeof(header) + kSealBytes) return -1;
    std::memcpy(&header, datagram.data(), sizeof(header));
    unsigned char nonce[12] = {};
    fill(nonce, header);
    const auto aad = reinterpret_cast<const unsigned char*>(datagram.data());
    const auto out = reinterpret_cast<unsigned char*>(into);
    const size_t sealed = datagram.size() - sizeof(header);
    unsigned long long bytes = 0;
    const int status =
        has_aes_
            ? crypto_aead_aes256gcm_decrypt_afternm(out, &bytes, nullptr, aad + sizeof(header),
                                                    sealed, aad, sizeof(header), nonce, &aes_)
            : crypto_aead_chacha20poly1305_ietf_decrypt(out, &bytes, nullptr, aad + sizeof(header),
                                                        sealed, aad, sizeof(header), nonce, key_);
    return status == 0 ? static_cast<int64_t>(bytes) : -1;
  }

 private:
  static void fill(unsigned char (&nonce)[12], const FloorHeader& header) {
    const auto sender = static_cast<uint32_t>(header.sender);
    std::memcpy(nonce, &header.seq, sizeof(header.seq));
    std::memcpy(nonce + sizeof(header.seq), &sender, sizeof(sender));
  }

  bool has_aes_;
  unsigned char key_[32];
  crypto_aead_aes256gcm_state aes_;
};

}  // namespace casbook::bench
