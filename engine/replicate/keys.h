// The cluster's key, and datagrams sealed with what is derived from it (libsodium).
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

}  // namespace casbook::replicate
