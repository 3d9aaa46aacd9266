#include "support/faulty_storage.h"

#include <cerrno>

#include "support/faulty_file.h"
#include "support/faulty_queue.h"

namespace casbook::test {

const char* operation_name(Operation operation) {
  constexpr const char* kNames[] = {"write", "sync",   "allocate", "create",
                                    "open",  "rename", "remove",   "sync_directory",
                                    "list",  "read",   "submit",   "completion"};
  static_assert(std::size(kNames) == static_cast<size_t>(Operation::count));
  return kNames[static_cast<uint32_t>(operation)];
}

// --- the disk -----------------------------------------------------------------------------------

int FaultyDisk::run(Operation operation, const std::function<void()>& effect,
                    const std::function<void()>& on_failure) {
  if (!has_power) return EIO;
  switch (plan.pass(operation)) {
    case Verdict::go:
      effect();
      return 0;
    case Verdict::fail:
      on_failure();
      return plan.error_number();
    case Verdict::power_loss:
      if (random.one_in(2)) effect();
      cut_power();
  }
  return EIO;
}

void FaultyDisk::cut_power() {
  for (FaultyQueue* queue : queues) queue->cut_power();
  has_power = false;
}

void FaultyDisk::apply(const DirectoryChange& change, Names& to) const {
  switch (change.change) {
    case Change::create:
      to[change.name] = change.file;
      break;
    case Change::rename:
      to.erase(change.name);
      to[change.to] = change.file;
      break;
    case Change::remove:
      // Not what came under that name later.
      if (const auto it = to.find(change.name); it != to.end() && it->second == change.file)
        to.erase(it);
  }
}

void FaultyDisk::survive() {
  // A journalling file system keeps a prefix; without one, or with files synced by themselves, it
  // may be any of them.
  const bool is_prefix = random.one_in(2);
  const uint64_t prefix = random.below(unsynced.size() + 1);
  for (uint64_t i = 0; i < unsynced.size(); ++i)
    if (is_prefix ? i < prefix : random.one_in(2)) apply(unsynced[i], durable_names);
  unsynced.clear();
  names = durable_names;
  // Now and then all or nothing of it.
  constexpr Survival kSurvivals[] = {{8, 0}, {0, 0}, {7, 0}, {6, 1},
                                     {4, 2}, {4, 1}, {1, 1}, {0, 4}};
  const Survival survival = kSurvivals[random.below(std::size(kSurvivals))];
  for (const auto& [name, file] : names) file->lose_power(random, survival);
  ++power_cycle;
  has_power = true;
}

// --- the directory ------------------------------------------------------------------------------

namespace {

using journal::File;
using journal::IoQueue;

Result<void> answer(int error_number, const char* call, const std::string& name) {
  if (error_number != 0) return storage_error(error_number, call, name);
  return {};
}

}  // namespace

Result<std::vector<std::string>> FaultyStorage::list() const {
  const std::lock_guard lock(disk_->mutex);
  std::vector<std::string> names;
  const int error_number = disk_->run(Operation::list, [&] {
    for (const auto& [name, file] : disk_->names) names.push_back(name);
  });
  if (error_number != 0) return storage_error(error_number, "list", describe());
  return names;
}

Result<std::unique_ptr<File>> FaultyStorage::create(const std::string& name) {
  const std::lock_guard lock(disk_->mutex);
  if (disk_->has_power && disk_->names.contains(name)) return storage_error(EEXIST, "create", name);
  auto file = std::make_shared<UnsyncedFile>();
  const int error_number = disk_->run(Operation::create, [&] {
    disk_->names[name] = file;
    disk_->unsynced.push_back({FaultyDisk::Change::create, name, {}, file});
  });
  if (error_number != 0) return storage_error(error_number, "create", name);
  return std::unique_ptr<File>(std::make_unique<FaultyFile>(disk_, file, name, Access::write));
}

Result<std::unique_ptr<File>> FaultyStorage::open(const std::string& name, Access access) const {
  const std::lock_guard lock(disk_->mutex);
  if (const int error_number = disk_->run(Operation::open, [] {}))
    return storage_error(error_number, "open", name);
  const auto found = disk_->names.find(name);
  if (found == disk_->names.end()) return storage_error(ENOENT, "open", name);
  return std::unique_ptr<File>(std::make_unique<FaultyFile>(disk_, found->second, name, access));
}

Result<void> FaultyStorage::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(disk_->mutex);
  if (disk_->has_power && !disk_->names.contains(from))
    return storage_error(ENOENT, "rename", from);
  return answer(
      disk_->run(Operation::rename,
                 [&] {
                   const auto file = disk_->names.at(from);
                   disk_->names.erase(from);
                   disk_->names[to] = file;
                   disk_->unsynced.push_back({FaultyDisk::Change::rename, from, to, file});
                 }),
      "rename", from);
}

Result<void> FaultyStorage::remove(const std::string& name) {
  const std::lock_guard lock(disk_->mutex);
  const auto found = disk_->names.find(name);
  const bool is_there = found != disk_->names.end();
  const int error_number = disk_->run(Operation::remove, [&] {
    if (!is_there) return;
    disk_->unsynced.push_back({FaultyDisk::Change::remove, name, {}, found->second});
    disk_->names.erase(found);
  });
  return answer(error_number == 0 && !is_there ? ENOENT : error_number, "remove", name);
}

Result<void> FaultyStorage::sync_directory() {
  const std::lock_guard lock(disk_->mutex);
  return answer(disk_->run(Operation::sync_directory,
                           [&] {
                             disk_->durable_names = disk_->names;
                             disk_->unsynced.clear();
                           }),
                "sync", describe());
}

Result<std::unique_ptr<IoQueue>> FaultyStorage::open_queue(uint32_t) {
  const std::lock_guard lock(disk_->mutex);
  if (!disk_->has_power) return storage_error(EIO, "open a queue of", describe());
  return std::unique_ptr<IoQueue>(std::make_unique<FaultyQueue>(disk_));
}

// --- what tests do to it ------------------------------------------------------------------------

void FaultyStorage::lose_power_at(uint64_t nth) {
  const std::lock_guard lock(disk_->mutex);
  disk_->plan.lose_power_at(nth);
}

bool FaultyStorage::has_power() const {
  const std::lock_guard lock(disk_->mutex);
  return disk_->has_power;
}

void FaultyStorage::crash() {
  const std::lock_guard lock(disk_->mutex);
  if (disk_->has_power) disk_->cut_power();
  disk_->survive();
  disk_->plan.lose_power_at(0);
}

void FaultyStorage::fail(const Fault& fault) {
  const std::lock_guard lock(disk_->mutex);
  disk_->plan.fail(fault);
}

bool FaultyStorage::fault_has_struck() const {
  const std::lock_guard lock(disk_->mutex);
  return disk_->plan.has_struck();
}

uint64_t FaultyStorage::count(Operations operations) const {
  const std::lock_guard lock(disk_->mutex);
  return disk_->plan.count(operations);
}

std::vector<std::byte> FaultyStorage::content(const std::string& name) const {
  const std::lock_guard lock(disk_->mutex);
  const UnsyncedFile& file = *disk_->names.at(name);
  std::vector<std::byte> content(file.bytes());
  file.read(0, content);
  return content;
}

void FaultyStorage::put(const std::string& name, std::span<const std::byte> content) {
  const std::lock_guard lock(disk_->mutex);
  disk_->names[name] = disk_->durable_names[name] = std::make_shared<UnsyncedFile>(content);
}

}  // namespace casbook::test
