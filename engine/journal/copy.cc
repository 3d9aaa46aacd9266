#include "journal/copy.h"

#include <cstring>

namespace casbook::journal {

namespace {

template <class T>
void put(std::vector<std::byte>& out, T value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void put(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

struct Encode {
  std::vector<std::byte>& out;

  void operator()(const CopyBegin& m) const {
    for (const uint64_t value :
         {m.journal_id, m.position, m.checkpoint_bytes, m.committed_index, m.base_index,
          m.base_term, m.base_next_lsn, m.end_index, m.end_term})
      put(out, value);
  }
  void operator()(const CopyPiece& m) const {
    put(out, m.offset);
    put(out, m.bytes);
  }
  void operator()(const CopyConfiguration& m) const { put(out, m.bytes); }
  void operator()(const CopyEntry& m) const {
    put(out, m.index), put(out, m.first_lsn), put(out, m.count), put(out, m.term);
    put(out, static_cast<uint8_t>(m.type));
    put(out, m.body);
  }
  void operator()(const CopyEnd& m) const { put(out, m.entries); }
};

// Once something is missing, is_good is false.
struct Decode {
  std::span<const std::byte> left;
  bool is_good = true;

  template <class T>
  void get(T& value) {
    is_good &= left.size() >= sizeof value;
    if (!is_good) return;
    std::memcpy(&value, left.data(), sizeof value);
    left = left.subspan(sizeof value);
  }
  std::span<const std::byte> rest() { return std::exchange(left, {}); }

  void operator()(CopyBegin& m) {
    for (uint64_t* value :
         {&m.journal_id, &m.position, &m.checkpoint_bytes, &m.committed_index, &m.base_index,
          &m.base_term, &m.base_next_lsn, &m.end_index, &m.end_term})
      get(*value);
    is_good &= m.journal_id != 0 && (m.position == 0) == (m.checkpoint_bytes == 0) &&
               (m.base_index == 0) == (m.base_term == 0) && m.base_next_lsn != 0 &&
               m.base_index <= m.end_index && m.end_index <= INT64_MAX &&
               m.committed_index <= m.end_index && m.base_term <= m.end_term &&
               m.end_term <= kTermMax;
  }
  void operator()(CopyPiece& m) {
    get(m.offset);
    m.bytes = rest();
    is_good &= !m.bytes.empty() && m.bytes.size() <= kCopyPieceBytes;
  }
  void operator()(CopyConfiguration& m) { m.bytes = rest(); }
  void operator()(CopyEntry& m) {
    uint8_t type = 0;
    get(m.index), get(m.first_lsn), get(m.count), get(m.term), get(type);
    m.type = static_cast<EntryType>(type);
    m.body = rest();
    const bool is_known = type >= static_cast<uint8_t>(EntryType::records) &&
                          type <= static_cast<uint8_t>(EntryType::change);
    is_good &= is_known && m.index != 0 && m.term != 0 &&
               (m.type == EntryType::records) == (m.count != 0) &&
               sizeof(EntryHeader) + m.body.size() <= kEntryBytesMax;
  }
  void operator()(CopyEnd& m) { get(m.entries); }
};

template <size_t kIndex>
std::optional<CopyMessage> decode(std::span<const std::byte> bytes) {
  CopyMessage message(std::in_place_index<kIndex>);
  Decode decoder{.left = bytes};
  decoder(std::get<kIndex>(message));
  return decoder.is_good && decoder.left.empty() ? std::optional(message) : std::nullopt;
}

}  // namespace

void encode(const CopyMessage& message, std::vector<std::byte>& into) {
  into.clear();
  into.push_back(static_cast<std::byte>(message.index() + 1));
  std::visit(Encode{into}, message);
}

std::optional<CopyMessage> decode_copy_message(std::span<const std::byte> bytes) {
  if (bytes.empty() || bytes.size() > kCopyMessageBytesMax) return std::nullopt;
  const auto kind = static_cast<uint8_t>(bytes.front());
  bytes = bytes.subspan(1);
  switch (kind) {
    case 1:
      return decode<0>(bytes);
    case 2:
      return decode<1>(bytes);
    case 3:
      return decode<2>(bytes);
    case 4:
      return decode<3>(bytes);
    case 5:
      return decode<4>(bytes);
    default:
      return std::nullopt;
  }
}

}  // namespace casbook::journal
