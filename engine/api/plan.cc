#include "api/plan.h"

#include <algorithm>
#include <bit>
#include <random>

#include "arena/attachment.h"
#include "book/layout.h"
#include "commit/store.h"
#include "lease/layout.h"
#include "log/block_space.h"
#include "log/follower.h"

namespace casbook::api {

using arena::CellTable;
using arena::Region;

namespace {

struct Range {
  const char* name;
  uint64_t value, min, max;
};

Result<void> check(const Range& range) {
  if (range.value >= range.min && range.value <= range.max) return {};
  return Error{Code::bad_argument, false, 0, 0,
               std::string(range.name) + " " + std::to_string(range.value) + ": expected " +
                   std::to_string(range.min) + " to " + std::to_string(range.max)};
}

// Sized for a load of 25 %, where a chain is as good as never full.
uint64_t payment_buckets(uint64_t payments) {
  return std::max<uint64_t>(4 * kIdChainMax, payments * 4 / book::kBucketEntries + 1);
}
// Half full with every account opened.
uint64_t directory_buckets(uint64_t accounts) {
  return std::max<uint64_t>(8, accounts * 2 / book::kDirectoryEntries + 1);
}
// Two fifths full with every lease held.
uint64_t lease_slots(uint64_t leases) { return leases * 5 / 2 + 8; }

// An average record: a payment with id, two accounts and a guard takes 400 to 450 bytes.
constexpr uint64_t kRecordBytesPlanned = 512;

arena::Geometry plan_geometry(const CreateOptions& options, std::optional<uint64_t> hash_seed) {
  arena::Geometry geometry{};
  geometry.accounts = options.accounts;
  geometry.payments = options.payments;
  geometry.leases = options.leases;
  geometry.ledgers = options.ledgers;
  geometry.sessions = options.sessions;
  geometry.attachments = std::min<uint64_t>(options.sessions + 16, kAttachmentsMax);
  // The floor is raised a sixteenth of the ring at once, and the margin stays free.
  geometry.records =
      std::bit_ceil(options.records + options.records / 8 + 2 * log_margin(options.sessions));
  geometry.block_bytes = kBlockBytesDefault;
  geometry.blocks =
      (options.records + options.records / 8) * kRecordBytesPlanned / kBlockBytesDefault +
      2 * options.sessions + 16;
  geometry.window_ms = static_cast<uint64_t>(options.window.count());
  std::random_device entropy;
  geometry.hash_seed = hash_seed ? *hash_seed : uint64_t{entropy()} << 32 | entropy();
  return geometry;
}

void plan_cells(arena::CreateRequest& request) {
  const arena::Geometry& g = request.geometry;
  const uint64_t counts[arena::kCellTableCount] = {1,
                                                   g.ledgers,
                                                   directory_buckets(g.accounts),
                                                   g.accounts,
                                                   g.accounts,
                                                   payment_buckets(g.payments),
                                                   lease_slots(g.leases)};
  uint64_t unit = 0;
  for (uint32_t t = 0; t < arena::kCellTableCount; ++t) {
    const uint64_t step = commit::units_of(commit::kTableWords[t]);
    unit = (unit + step - 1) / step * step;  // a cell never straddles a line it need not
    request.cell_tables[t] = {unit, counts[t]};
    unit += counts[t] * step;
  }
  request.region_bytes[static_cast<uint32_t>(Region::cells)] = unit * commit::kUnitBytes;
}

void plan_regions(arena::CreateRequest& request) {
  const arena::Geometry& g = request.geometry;
  const auto set = [&](Region region, uint64_t bytes) {
    request.region_bytes[static_cast<uint32_t>(region)] = bytes;
  };
  set(Region::attachments, g.attachments * sizeof(arena::AttachmentSlot));
  set(Region::sessions, g.sessions * sizeof(arena::SessionSlot));
  set(Region::events, (kEventLines + arena::kOwnEvents) * sizeof(arena::EventLine));
  set(Region::followers, kFollowersMax * sizeof(log::FollowerSlot));
  set(Region::log_slots, g.records * sizeof(commit::LogSlot));
  set(Region::record_index, g.records * sizeof(commit::IndexSlot));
  set(Region::descriptors, g.sessions * kDescriptorsPerSession * sizeof(commit::Descriptor));
  set(Region::block_states, g.blocks * sizeof(base::AtomicU64));
  set(Region::blocks, g.blocks * g.block_bytes);
  plan_cells(request);
}

}  // namespace

Result<arena::CreateRequest> plan_arena(std::string_view name, const CreateOptions& options,
                                        std::optional<uint64_t> hash_seed) {
  const auto window = options.window.count();
  const Range ranges[] = {{"accounts", options.accounts, 1, kAccountsMax},
                          {"payments", options.payments, 1, kPaymentsMax},
                          {"leases", options.leases, 1, kLeasesMax},
                          {"ledgers", options.ledgers, 1, kLedgersMax},
                          {"sessions", options.sessions, 1, kSessionsMax},
                          {"records", options.records, 64, kRecordsMax},
                          {"window (ms)", static_cast<uint64_t>(std::max<int64_t>(window, 0)), 1000,
                           366ull * 24 * 3600 * 1000}};
  for (const Range& range : ranges)
    if (auto ok = check(range); !ok) return ok.error();
  arena::CreateRequest request;
  request.directory = options.directory;
  request.name = name;
  request.owner = options.owner;
  request.group = options.group;
  request.mode = options.mode;
  request.geometry = plan_geometry(options, hash_seed);
  plan_regions(request);
  return request;
}

}  // namespace casbook::api
