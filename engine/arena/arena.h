// Creating, mapping and checking the file of an arena.
//
// Created under a temporary name in the same directory, fully allocated, formatted, then renamed:
// nobody ever sees a half-made book. A creator killed on the way leaves at most a temporary file,
// which the next create of the same book removes when its creator's lock is gone.
//
// Any thread of any process may call the free functions. A Mapping is read by all threads of its
// process; whoever destroys it sees to it that none still uses it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <sys/types.h>

#include <casbook/result.h>

#include "arena/layout.h"
#include "arena/os_file.h"

namespace casbook::arena {

struct CreateRequest {
  std::string directory = "/dev/shm";
  std::string name;
  Geometry geometry{};
  uint64_t region_bytes[kRegionCount]{};  // rounded up to pages by create()
  CellTableExtent cell_tables[kCellTableCount]{};
  std::optional<uid_t> owner;
  std::optional<gid_t> group;
  mode_t mode = 0600;
};

enum class Access { read_write, read_only };

// A mapped arena. Not copyable; unmapped by the destructor. A forked child inherits the object but
// not the mapping: there it may only be asked is_forked() and destroyed.
class Mapping {
 public:
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  // This process's copy, checked at attach: what a neighbour scribbles into the shared one later
  // leads nobody outside the file.
  const FixedHeader& header() const { return header_; }
  const Geometry& geometry() const { return header().geometry; }
  ControlLines& control() const { return *reinterpret_cast<ControlLines*>(base_ + kControlOffset); }
  JournalLines& journal() const { return *reinterpret_cast<JournalLines*>(base_ + kJournalOffset); }
  ReplicationLines& replication() const {
    return *reinterpret_cast<ReplicationLines*>(base_ + kReplicationOffset);
  }
  CommitTimeLines& commit_times() const {
    return *reinterpret_cast<CommitTimeLines*>(base_ + kCommitTimeOffset);
  }
  template <class T>
  T* region(Region region) const {
    return reinterpret_cast<T*>(base_ + header_.regions[static_cast<uint32_t>(region)].offset);
  }
  const CellTableExtent& cells(CellTable table) const {
    return header_.cell_tables[static_cast<uint32_t>(table)];
  }
  Access access() const { return access_; }
  const std::string& path() const { return path_; }
  // True in a process forked from the one that mapped; nothing may be touched then. One load.
  bool is_forked() const { return *fork_mark_ == 0; }
  // True while `path()` still names the file that is mapped. One system call.
  bool is_current() const;
  const FileIdentity& identity() const { return identity_; }

 private:
  friend struct MappingAccess;  // create and attach, see mapping_access.h
  Mapping();
  struct Os;  // the Boost.Interprocess object
  FixedHeader header_{};
  std::byte* base_ = nullptr;
  Access access_ = Access::read_write;
  std::string path_;  // absolute, so that a chdir() of the host program changes nothing
  FileIdentity identity_;
  uint64_t* fork_mark_ = nullptr;  // on a page that a forked child finds zeroed
  std::unique_ptr<Os> os_;
};

// DIRECTORY/casbook.NAME. bad_argument: a name that is empty, longer than 64 bytes, or holds
// anything but letters, digits, '.', '_' and '-', or begins with a dot.
Result<std::string> book_path(const std::string& directory, const std::string& name);

// Lays out, allocates, prefaults and formats. `format` writes what is not zero into the regions;
// header and checksum are written by create() itself, before format is called; when format fails,
// so does create(). Of several that create the same book at once, exactly one succeeds. Blocking: a
// second or two per GiB.
// Errors: bad_argument, book_exists, no_memory (against MemAvailable or the room in the directory,
// with both figures), no_permission, io_error. After an error nothing is left behind.
Result<void> create(const CreateRequest& request,
                    const std::function<Result<void>(Mapping&)>& format);

// The same for a book that another file has, or had, the name of: this one takes the name over in one
// step. `retire` is called before that step, when the new file is whole: who looks the name up after
// that finds the old file or the new one. Errors: as create(), without book_exists.
// Killed before `retire`: as create(). Between it and the step: the old file has the name, and says
// of itself what `retire` wrote; whoever replaces it again goes on.
Result<void> replace(const CreateRequest& request,
                     const std::function<Result<void>(Mapping&)>& format,
                     const std::function<void()>& retire);

// Checks and maps; never creates. Errors, each leaving the file as it was: book_missing,
// no_permission, foreign_file (magic, not a regular file, a symbolic link), format_older,
// format_newer, truncated (file smaller than its header says), damaged (checksum, sizes, extents
// outside the file), no_memory (address space), io_error. Blocking: every page is entered into
// the page table, half a second per GiB of 4 KiB pages, so that no payment pays for it.
Result<std::unique_ptr<Mapping>> attach(const std::string& directory, const std::string& name,
                                        Access access);

// Shuts the gate of a book whose header is damaged, so that nobody can attach and shut it properly:
// who is attached commits nothing more. For a file that is given up: the log has no SEAL for it,
// and a commit that passed the gate before may still take effect. Errors as destroy(); truncated:
// there is no gate.
Result<void> shut_damaged(const std::string& directory, const std::string& name);

// Removes the name; processes that are attached keep their mapping, but no longer take over each
// other's dead (see life_lock.h). book_missing, no_permission, foreign_file (not a regular file).
Result<void> destroy(const std::string& directory, const std::string& name);

}  // namespace casbook::arena
