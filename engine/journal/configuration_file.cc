#include "journal/configuration_file.h"

#include <cstring>

#include "base/assert.h"
#include "base/hash.h"

namespace casbook::journal {

namespace {

constexpr const char* kTemporaryName = "configuration.new";
constexpr uint64_t kMagic = 0x46434b4f4f4243;  // "CBOOKCF"
constexpr uint32_t kFormat = 1;

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
                            base::hash_bytes(bytes, offsetof(ConfigurationHead, checksum), kMagic));
  }
};

Error error_in(const Storage& storage, Code code, const std::string& what) {
  return {.code = code, .detail = storage.describe() + "/" + kConfigurationName + ": " + what};
}

}  // namespace

Result<KeptConfiguration> read_configuration(const Storage& storage) {
  auto file = storage.open(kConfigurationName, Storage::Access::read);
  if (!file) return file.error();
  Block block;
  if (auto read = (*file)->read(0, block.bytes); !read)
    return read.error().code == Code::truncated
               ? error_in(storage, Code::damaged, "it is too short")
               : read.error();
  const ConfigurationHead head = block.head();
  if (head.magic != kMagic) return error_in(storage, Code::damaged, "it is no configuration");
  if (head.format != kFormat)
    return error_in(storage, head.format > kFormat ? Code::format_newer : Code::format_older,
                    "format " + std::to_string(head.format) + ", this program knows " +
                        std::to_string(kFormat));
  const bool is_sound = head.bytes >= sizeof head &&
                        head.bytes <= sizeof head + kConfigurationBytesMax &&
                        head.checksum == block.checksum(head);
  if (!is_sound) return error_in(storage, Code::damaged, "its checksum does not fit");
  const auto body = block.body(head);
  return KeptConfiguration{head.journal_id, head.index, head.term, {body.begin(), body.end()}};
}

namespace {

Block block_of(const KeptConfiguration& configuration) {
  CASBOOK_ASSERT(configuration.body.size() <= kConfigurationBytesMax);
  ConfigurationHead head{};
  head.magic = kMagic, head.format = kFormat;
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
  const Block block = block_of(configuration);
  if (auto removed = storage.remove(kTemporaryName);
      !removed && removed.error().code != Code::book_missing)
    return removed;
  auto file = storage.create(kTemporaryName);
  if (!file) return file.error();
  if (auto done = (*file)->write(0, block.bytes); !done) return done;
  if (auto done = (*file)->sync(); !done) return done;
  if (auto done = storage.rename(kTemporaryName, kConfigurationName); !done) return done;
  return storage.sync_directory();
}

}  // namespace casbook::journal
