// Files of a storage whose names begin with a prefix, seen as a storage of their own: a journal in
// the making beside the one that is in use, in the same directory, so that it gets there by
// renames.
#pragma once

#include "journal/storage.h"

namespace casbook::journal {

class PrefixedStorage final : public Storage {
 public:
  // `storage` must outlive it.
  PrefixedStorage(Storage& storage, std::string prefix)
      : storage_(storage), prefix_(std::move(prefix)) {}

  Result<std::vector<std::string>> list() const override {
    auto all = storage_.list();
    if (!all) return all;
    std::vector<std::string> names;
    for (const std::string& name : *all)
      if (name.starts_with(prefix_)) names.push_back(name.substr(prefix_.size()));
    return names;
  }
  Result<std::unique_ptr<File>> create(const std::string& name) override {
    return storage_.create(prefix_ + name);
  }
  Result<std::unique_ptr<File>> open(const std::string& name, Access access) const override {
    return storage_.open(prefix_ + name, access);
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    return storage_.rename(prefix_ + from, prefix_ + to);
  }
  Result<void> remove(const std::string& name) override { return storage_.remove(prefix_ + name); }
  Result<void> sync_directory() override { return storage_.sync_directory(); }
  Result<std::unique_ptr<IoQueue>> open_queue(uint32_t depth) override {
    return storage_.open_queue(depth);
  }
  std::string describe() const override { return storage_.describe() + "/" + prefix_ + "*"; }

 private:
  Storage& storage_;
  const std::string prefix_;
};

}  // namespace casbook::journal
