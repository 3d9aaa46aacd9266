// Who is in the cluster, as of an entry of its log: for a node whose journal has that entry no
// more. The body is replicate's.
//
// Written when a change is known to be committed, before a checkpoint may make its entry
// superfluous. So there is no change between this one and the first entry that the journal still
// has; where the journal has this one too, or later ones, those say the same and more.
//
// Replaced whole: written under a temporary name, synced, renamed, directory synced.
#pragma once

#include <vector>

#include "journal/storage.h"

namespace casbook::journal {

struct KeptConfiguration {
  uint64_t journal_id = 0;
  uint64_t index = 0, term = 0;  // of the entry that made it
  std::vector<std::byte> body;   // up to kConfigurationBytesMax
};
constexpr uint32_t kConfigurationBytesMax = 4000;
constexpr const char* kConfigurationName = "configuration";

// book_missing: the directory has none. Errors: damaged, format_newer, those of the storage.
Result<KeptConfiguration> read_configuration(const Storage& storage);
Result<void> write_configuration(Storage& storage, const KeptConfiguration& configuration);
// What the file has: one block.
std::vector<std::byte> encode(const KeptConfiguration& configuration);

}  // namespace casbook::journal
