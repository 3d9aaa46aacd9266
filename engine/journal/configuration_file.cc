#include "journal/configuration_file.h"

#include <cstring>

#include "base/assert.h"
#include "journal/block_file.h"

namespace casbook::journal {

namespace {

constexpr BlockFile kFile{.name = kConfigurationName,
                          .magic = 0x46434b4f4f4243,  // "CBOOKCF"
                          .format = 1,
                          .what = "configuration"};

// At the beginning of the only block; the body follows.
struct ConfigurationHead {
  uint64_t magic;
  uint32_t format, bytes;  // of head and body
  uint64_t journal_id, index, term;
  uint64_t reserved;
  uint64_t checksum;  // of the bytes above and the body
};
static_assert(sizeof(ConfigurationHead) == 56 &&
              std::has_unique_object_representations_v<ConfigurationHead>);
static_assert(sizeof(ConfigurationHead) + kConfigurationBytesMax <= kBlockBytes);

struct Block {
  alignas(kBlockBytes) std::byte bytes[kBlockBytes] = {};

  ConfigurationHead head() const {
    ConfigurationHead head;
    std::memcpy(&head, bytes, sizeof head);
    return head;
  }
  std::span<const std::byte> body(const ConfigurationHead& head) const {
    return std::span(bytes).subspan(sizeof head, head.bytes - sizeof head);
  }
  uint64_t checksum(const ConfigurationHead& head) const {
    const auto all = body(head);
    return base::hash_bytes(all.data(), all.size(),
                            base::hash_bytes(bytes, offsetof(ConfigurationHead, checksum), kFile.magic));
  }
};

}  // namespace

Result<KeptConfiguration> read_configuration(const Storage& storage) {
  Block block;
  if (auto read = read_block(storage, kFile, block.bytes); !read) return read.error();
  const ConfigurationHead head = block.head();
  const bool is_sound = head.bytes >= sizeof head &&
                        head.bytes <= sizeof head + kConfigurationBytesMax &&
                        head.checksum == block.checksum(head);
  if (!is_sound) return damaged_block(storage, kFile);
  const auto body = block.body(head);
  return KeptConfiguration{head.journal_id, head.index, head.term, {body.begin(), body.end()}};
}

namespace {

Block block_of(const KeptConfiguration& configuration) {
  CASBOOK_ASSERT(configuration.body.size() <= kConfigurationBytesMax);
  ConfigurationHead head{};
  head.magic = kFile.magic, head.format = kFile.format;
  head.bytes = static_cast<uint32_t>(sizeof head + configuration.body.size());
  head.journal_id = configuration.journal_id;
  head.index = configuration.index, head.term = configuration.term;
  Block block;
  std::memcpy(block.bytes, &head, sizeof head);
  std::memcpy(block.bytes + sizeof head, configuration.body.data(), configuration.body.size());
  head.checksum = block.checksum(head);
  std::memcpy(block.bytes, &head, sizeof head);
  return block;
}

}  // namespace

std::vector<std::byte> encode(const KeptConfiguration& configuration) {
  const Block block = block_of(configuration);
  return {std::begin(block.bytes), std::end(block.bytes)};
}

Result<void> write_configuration(Storage& storage, const KeptConfiguration& configuration) {
  return replace_block(storage, kFile, block_of(configuration).bytes);
}

}  // namespace casbook::journal
