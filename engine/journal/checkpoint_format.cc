#include "journal/checkpoint_format.h"

#include <charconv>

#include "base/hash.h"

namespace casbook::journal {

namespace {

constexpr std::string_view kPrefix = "checkpoint-";
constexpr size_t kNumberDigits = 20;

uint64_t checksum_of(const CheckpointHeader& header) {
  return base::hash_bytes(&header, offsetof(CheckpointHeader, checksum), header.journal_id);
}

}  // namespace

void seal(CheckpointHeader& header) { header.checksum = checksum_of(header); }

uint64_t checksum_of(const ChunkHeader& header, std::span<const std::byte> body,
                     uint64_t journal_id) {
  const uint64_t seed = base::hash_bytes(&header, offsetof(ChunkHeader, checksum), journal_id);
  return base::hash_bytes(body.data(), body.size(), seed);
}

uint64_t digest_of(const std::vector<uint64_t>& checksums, uint64_t journal_id) {
  return base::hash_bytes(checksums.data(), checksums.size() * sizeof(uint64_t), journal_id);
}

Result<void> check(const CheckpointHeader& header) {
  const auto error = [](Code code, std::string detail) {
    return Error{.code = code, .detail = std::move(detail)};
  };
  if (header.magic != kCheckpointMagic)
    return error(Code::foreign_file, "it does not begin as a checkpoint does");
  if (header.format != kCheckpointFormat)
    return error(header.format > kCheckpointFormat ? Code::format_newer : Code::format_older,
                 "format " + std::to_string(header.format) + ", this program knows " +
                     std::to_string(kCheckpointFormat));
  if (header.header_bytes != sizeof(CheckpointHeader) || header.checksum != checksum_of(header))
    return error(Code::damaged, "the checksum of the checkpoint's header does not fit");
  const Position position{header.position};
  if (header.journal_id == 0 || header.start_lsn == 0 ||
      (header.position != 0 && (position.term() == 0 || position.term() > kTermMax)) ||
      header.start_lsn > position.lsn() + 1)
    return error(Code::damaged, "the checkpoint's header contradicts itself");
  return {};
}

std::string checkpoint_name(Position position) {
  const std::string digits = std::to_string(position.value);
  return std::string(kPrefix) + std::string(kNumberDigits - digits.size(), '0') + digits;
}

std::optional<Position> checkpoint_position(std::string_view name) {
  if (!name.starts_with(kPrefix)) return {};
  name.remove_prefix(kPrefix.size());
  uint64_t number = 0;
  const char* const end = name.data() + name.size();
  const auto [rest, failure] = std::from_chars(name.data(), end, number);
  if (name.size() != kNumberDigits || failure != std::errc() || rest != end) return {};
  return Position{number};
}

Result<std::vector<std::string>> list_checkpoints(const Storage& storage) {
  auto names = storage.list();
  if (!names) return names.error();
  std::erase_if(*names, [](const std::string& name) { return !checkpoint_position(name); });
  return std::vector<std::string>(names->rbegin(), names->rend());
}

}  // namespace casbook::journal
