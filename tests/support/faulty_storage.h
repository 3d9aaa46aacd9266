// A journal's directory in memory that loses, tears and reorders what was not synced, and fails at
// the nth operation. All by chance from one seed: the same calls meet the same fate.
//
//  loss of power   of everything unsynced each sector is kept, dropped or torn, independently, and
//                  of the writes that met in one any may be the last; of the directory operations
//                  since the last sync_directory() some are kept: the first few, or any. A rename
//                  is there as a whole or not at all.
//  failure         the operation is answered with the error. A write is done in part; a sync drops
//                  what it was for, and the next one succeeds; all else does nothing.
//  queue           writes and syncs are done in any order, when wait() is called: by the thread
//  that
//                  submits them too. With nothing under way it returns 0. A sync covers what was
//                  completed when it was submitted, and no more.
//
// Memory, offset and length of a write have to be as direct I/O wants them, or it answers EINVAL.
// Reading is thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "support/fault_plan.h"
#include "support/unsynced_file.h"

namespace casbook::test {

class FaultyQueue;

// What the storage, its files and its queues share. Lock `mutex` for all of it.
struct FaultyDisk {
  enum class Change : uint8_t { create, rename, remove };
  struct DirectoryChange {
    Change change;
    std::string name, to;
    std::shared_ptr<UnsyncedFile> file;
  };
  using Names = std::map<std::string, std::shared_ptr<UnsyncedFile>>;

  explicit FaultyDisk(uint64_t seed) : random(seed) {}

  // 0, or the errno to answer with. When the power goes meanwhile, `effect` has happened by chance.
  int run(
      Operation operation, const std::function<void()>& effect,
      const std::function<void()>& on_failure = [] {});
  void cut_power();
  void survive();
  UnsyncedFile::Stamp stamp() { return ++stamps; }

  mutable std::mutex mutex;
  Random random;
  FaultPlan plan;
  Names names, durable_names;
  std::vector<DirectoryChange> unsynced;
  std::set<FaultyQueue*> queues;
  UnsyncedFile::Stamp stamps = 0;
  uint64_t power_cycle = 0;  // files and queues of an earlier one only fail
  bool has_power = true;

 private:
  void apply(const DirectoryChange& change, Names& to) const;
};

class FaultyStorage final : public journal::Storage {
 public:
  explicit FaultyStorage(uint64_t seed) : disk_(std::make_shared<FaultyDisk>(seed)) {}

  Result<std::vector<std::string>> list() const override;
  Result<std::unique_ptr<journal::File>> create(const std::string& name) override;
  Result<std::unique_ptr<journal::File>> open(const std::string& name,
                                              Access access) const override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& name) override;
  Result<void> sync_directory() override;
  Result<std::unique_ptr<journal::IoQueue>> open_queue(uint32_t depth) override;
  std::string describe() const override { return "faulty"; }

  // The nth change from now is in part done, and everything behind it fails with EIO, until
  // crash().
  void lose_power_at(uint64_t nth);
  bool has_power() const;
  // The power is lost, now or when it was; what is left is there. Files and queues of before are
  // dead. No power loss is planned any more.
  void crash();

  // The nth operation from now fails. {}: none does.
  void fail(const Fault& fault);
  bool fault_has_struck() const;
  uint64_t count(Operations operations) const;

  // As they can be read now. For looking at, and for making, files of any content, durable at once.
  std::vector<std::byte> content(const std::string& name) const;
  void put(const std::string& name, std::span<const std::byte> content);

 private:
  std::shared_ptr<FaultyDisk> disk_;
};

}  // namespace casbook::test
