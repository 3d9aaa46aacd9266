#include "support/datagram_reader.h"

namespace casbook::test {

void for_each_frame(std::span<const std::byte> datagram,
                    const std::function<void(const replicate::Frame&)>& take,
                    const replicate::ClusterKey& key) {
  const auto header = replicate::decode_header(datagram);
  if (!header || datagram.size() < replicate::kHeaderBytes + replicate::kSealBytes) return;
  const replicate::DatagramKey opener(key, header->cluster, header->sender, header->boot);
  const auto sealed = datagram.subspan(replicate::kHeaderBytes);
  std::vector<std::byte> plain(sealed.size() - replicate::kSealBytes);
  if (!opener.open(header->cipher, header->seq, datagram.first(replicate::kHeaderBytes), sealed,
                   plain.data()))
    return;
  replicate::FrameReader frames(plain);
  while (const auto frame = frames.next()) take(*frame);
}

}  // namespace casbook::test
