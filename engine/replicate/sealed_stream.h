// A connection between two nodes that both know the cluster key: who is there is proven both ways,
// and what follows is sealed, in order, without a gap (libsodium's secretstream).
//
//   client  StreamHello(cluster, node, whom it wants, 32 random bytes)
//   server  StreamWelcome(node, 32 random bytes, proof over both, header of its stream)
//   client  StreamProof(proof over both, header of its stream)
//   both    frames: length, sealed bytes; the last one says that it is the last
//
// A proof is a keyed hash that nobody without the key can make, over random bytes of now: nothing
// that was recorded is worth anything. The keys of the two streams are derived from the same bytes,
// so no two connections share one. Until the client has proven itself the server has done a hash.
//
// No sockets: bytes come in and go out. Not thread-safe.
#pragma once

#include <optional>
#include <vector>

#include "replicate/keys.h"

namespace casbook::replicate {

constexpr uint32_t kStreamMagic = 0x55434243;  // "CBCU"
// Bump when the meaning or place of any byte changes, of what is said in frames too.
constexpr uint8_t kStreamVersion = 1;
constexpr size_t kStreamHelloBytes = 64;
constexpr size_t kStreamWelcomeBytes = 104;
constexpr size_t kStreamProofBytes = 56;
constexpr uint32_t kStreamFrameHeadBytes = 4;

struct StreamName {
  uint64_t cluster = 0, client = 0, server = 0;  // nodes
};

class SealedStream {
 public:
  // --- client
  // Sealed with the first of the keys.
  static SealedStream connect(const ClusterKeys& keys, const StreamName& name);
  std::span<const std::byte> hello() const { return hello_; }
  // False: whoever answers does not know the key, or is another node.
  [[nodiscard]] bool take_welcome(std::span<const std::byte> welcome);
  std::span<const std::byte> proof() const { return proof_; }

  // --- server
  // Sealed with the one that the client names; where that is none of these, with the first, and the
  // client refuses. Nothing: no hello of this version, or for another node or cluster. `name.client`
  // is not looked at.
  static std::optional<SealedStream> accept(const ClusterKeys& keys, const StreamName& name,
                                            std::span<const std::byte> hello);
  // What that version of a hello would be: to tell a newer program from noise.
  static std::optional<uint8_t> version_of(std::span<const std::byte> hello);
  std::span<const std::byte> welcome() const { return welcome_; }
  [[nodiscard]] bool take_proof(std::span<const std::byte> proof);
  uint64_t client() const { return name_.client; }  // proven once take_proof() said yes

  // --- both, afterwards
  // Appends a frame to `out`.
  void seal(std::span<const std::byte> plain, bool is_last, std::vector<std::byte>& out);
  // Of the head of a frame: how many bytes follow. Nothing: more than any frame has, or too few.
  static std::optional<uint32_t> bytes_of(std::span<const std::byte> head);
  // Those bytes. False: not the next frame of this stream; it is over.
  [[nodiscard]] bool open(std::span<const std::byte> sealed, std::vector<std::byte>& plain,
                          bool& is_last);
  static uint32_t sealed_bytes(size_t plain_bytes);

  SealedStream(SealedStream&&) noexcept;
  ~SealedStream();

 private:
  struct State;
  SealedStream(const ClusterKey& key, const StreamName& name);
  void derive(bool is_client);
  std::array<std::byte, 32> keyed(const char* purpose) const;

  ClusterKey key_;
  StreamName name_;
  std::array<std::byte, kStreamHelloBytes> hello_{};
  std::array<std::byte, kStreamWelcomeBytes> welcome_{};
  std::array<std::byte, kStreamProofBytes> proof_{};
  std::unique_ptr<State> state_;
};

}  // namespace casbook::replicate
