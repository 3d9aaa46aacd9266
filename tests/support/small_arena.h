// An arena of a few hundred KiB whose upper layers hold nothing.
#pragma once

#include <memory>
#include <string>

#include "arena/arena.h"
#include "arena/attachment.h"

namespace casbook::test_support {

inline arena::CreateRequest small_arena(const std::string& directory,
                                        const std::string& name = "book") {
  arena::CreateRequest request;
  request.directory = directory;
  request.name = name;
  request.geometry.attachments = 8;
  request.geometry.sessions = 16;
  request.region_bytes[static_cast<uint32_t>(arena::Region::cells)] = 64 * 1024;
  request.region_bytes[static_cast<uint32_t>(arena::Region::blocks)] = 100'000;
  request.cell_tables[static_cast<uint32_t>(arena::CellTable::book)] = {0, 1};
  request.cell_tables[static_cast<uint32_t>(arena::CellTable::accounts)] = {4, 100};
  return request;
}

inline Result<void> format_nothing(arena::Mapping&) { return {}; }

inline std::unique_ptr<arena::Mapping> must_attach(
    const std::string& directory, const std::string& name = "book",
    arena::Access access = arena::Access::read_write) {
  Result<std::unique_ptr<arena::Mapping>> mapping = arena::attach(directory, name, access);
  if (!mapping) {
    std::fprintf(stderr, "attach: %s\n", mapping.error().message().c_str());
    std::abort();
  }
  return std::move(*mapping);
}

inline std::unique_ptr<arena::Mapping> create_and_attach(const arena::CreateRequest& request) {
  if (Result<void> created = arena::create(request, format_nothing); !created) {
    std::fprintf(stderr, "create: %s\n", created.error().message().c_str());
    std::abort();
  }
  return must_attach(request.directory, request.name);
}

inline std::unique_ptr<arena::Attachment> must_open(
    arena::Mapping& mapping, arena::RunSession run = [](uint32_t) {}) {
  auto attachment = arena::Attachment::open(mapping, std::move(run));
  if (!attachment) {
    std::fprintf(stderr, "attachment: %s\n", attachment.error().message().c_str());
    std::abort();
  }
  return std::move(*attachment);
}

inline arena::AttachmentSlot& attachment_slot(const arena::Mapping& mapping, uint32_t index) {
  return mapping.region<arena::AttachmentSlot>(arena::Region::attachments)[index];
}
inline arena::SessionSlot& session_slot(const arena::Mapping& mapping, uint32_t index) {
  return mapping.region<arena::SessionSlot>(arena::Region::sessions)[index];
}

}  // namespace casbook::test_support
