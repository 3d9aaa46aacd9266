#include "replicate/key_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

#include <fcntl.h>
#include <sodium.h>

#include "arena/os_file.h"

namespace casbook::replicate {

using arena::OsFile;

namespace {

constexpr std::string_view kWord = "casbook-cluster-key-", kFormat = "1 ";
constexpr size_t kHexBytes = 64;
constexpr size_t kLineBytes = kWord.size() + kFormat.size() + kHexBytes + 1;
constexpr size_t kFileBytesMax = ClusterKeys::kMax * kLineBytes;

Error file_error(int error_number, const char* call, const std::string& path) {
  Error error = arena::os_error(error_number, call, path);
  if (error_number == EEXIST) error.code = Code::file_exists;
  if (error_number == ENOENT) error.code = Code::bad_argument;
  if (error_number == ENOSPC || error_number == EDQUOT) error.code = Code::no_space;
  return error;
}

Error error_in(const std::string& path, Code code, const std::string& what) {
  return {.code = code, .detail = "key file " + path + what};
}

Result<ClusterKey> new_key() {
  if (sodium_init() < 0) return Error{.code = Code::io_error, .detail = "no source of randomness"};
  ClusterKey key;
  randombytes_buf(key.bytes.data(), key.bytes.size());
  return key;
}

// --- bytes

std::string text_of(const ClusterKeys& keys) {
  std::string text;
  for (const ClusterKey& key : keys.all()) {
    char hex[kHexBytes + 1];
    sodium_bin2hex(hex, sizeof hex, reinterpret_cast<const unsigned char*>(key.bytes.data()),
                   key.bytes.size());
    text.append(kWord).append(kFormat).append(hex).append("\n");
    sodium_memzero(hex, sizeof hex);
  }
  return text;
}

// Of the first line whose word is ours: a newer program's file says so before anything else.
bool has_newer_format(std::string_view text) {
  for (; text.starts_with(kWord);
       text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1)) {
    const std::string_view format = text.substr(kWord.size());
    const size_t digits = format.find_first_not_of("0123456789");
    if (digits != 0 && digits != format.npos && format[digits] == ' ' && format[0] != '0' &&
        format.substr(0, digits) != "1")
      return true;
  }
  return false;
}

bool read_line(std::string_view line, ClusterKey& key) {
  size_t decoded = 0;
  return line.size() == kLineBytes && line.back() == '\n' && line.starts_with(kWord) &&
         line.substr(kWord.size()).starts_with(kFormat) &&
         sodium_hex2bin(reinterpret_cast<unsigned char*>(key.bytes.data()), key.bytes.size(),
                        line.data() + kWord.size() + kFormat.size(), kHexBytes, nullptr, &decoded,
                        nullptr) == 0 &&
         decoded == key.bytes.size();
}

Result<ClusterKeys> parse(std::string_view text, const std::string& path) {
  if (has_newer_format(text))
    return error_in(path, Code::format_newer,
                    " is of a newer program; this one knows \"" + std::string(kWord) + "1\"");
  ClusterKey first, second;
  const bool has_two = text.size() == 2 * kLineBytes;
  if (!read_line(text.substr(0, kLineBytes), first) ||
      (has_two ? !read_line(text.substr(kLineBytes), second) : text.size() != kLineBytes))
    return error_in(path, Code::damaged,
                    ": expected one or two lines \"" + std::string(kWord) + std::string(kFormat) +
                        "\" and 64 hexadecimal digits");
  if (!has_two) return ClusterKeys(first);
  if (id_of(first) == id_of(second))
    return error_in(path, Code::damaged, ": expected two keys that differ");
  return ClusterKeys(first, second);
}

// --- the file

Result<void> write_and_sync(const OsFile& file, const std::string& text, const std::string& path) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t written = write(file.fd(), text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return file_error(errno, "write", path);
    done += static_cast<size_t>(written);
  }
  if (fsync(file.fd()) != 0) return file_error(errno, "sync", path);
  return {};
}

Result<void> sync_directory_of(const std::string& path) {
  std::string directory = std::filesystem::path(path).parent_path().string();
  if (directory.empty()) directory = ".";
  const OsFile parent(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.is_open() || fsync(parent.fd()) != 0)
    return file_error(errno, "sync directory", directory);
  return {};
}

OsFile create(const std::string& path) {
  return OsFile(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
}

Result<void> check_rights(const struct stat& status, const std::string& path) {
  if (!S_ISREG(status.st_mode)) return error_in(path, Code::damaged, " is not a regular file");
  if (status.st_uid != geteuid() && status.st_uid != 0)
    return error_in(
        path, Code::no_permission,
        " belongs to user " + std::to_string(status.st_uid) + "; expected this user or root");
  if (status.st_mode & (S_IRWXG | S_IRWXO))
    return error_in(path, Code::no_permission,
                    " is open to group or others; expected mode 0600 or 0400");
  return {};
}

Result<ClusterKeys> read_keys(const std::string& path, struct stat& status) {
  const OsFile file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file.is_open()) return file_error(errno, "open key file", path);
  if (fstat(file.fd(), &status) != 0) return file_error(errno, "stat", path);
  if (auto checked = check_rights(status, path); !checked) return checked.error();
  char text[kFileBytesMax + 1];
  ssize_t bytes;
  do bytes = read(file.fd(), text, sizeof text);
  while (bytes < 0 && errno == EINTR);
  if (bytes < 0) return file_error(errno, "read", path);
  auto keys = parse({text, static_cast<size_t>(bytes)}, path);
  sodium_memzero(text, sizeof text);
  return keys;
}

Result<ClusterKeys> changed(const ClusterKeys& keys, KeyChange change, const std::string& path) {
  const auto all = keys.all();
  const size_t needed = change == KeyChange::append ? 1 : 2;
  if (all.size() != needed)
    return error_in(path, Code::bad_argument,
                    " has " + std::to_string(all.size()) + (all.size() == 1 ? " key" : " keys") +
                        "; expected " + std::to_string(needed));
  if (change == KeyChange::drop) return ClusterKeys(all[0]);
  if (change == KeyChange::swap) return ClusterKeys(all[1], all[0]);
  for (;;) {  // one in 65,536 has the id of the first
    auto fresh = new_key();
    if (!fresh) return fresh.error();
    if (id_of(*fresh) != id_of(all[0])) return ClusterKeys(all[0], *fresh);
  }
}

// Written beside it and renamed: there is never a moment with half of it.
Result<void> replace(const std::string& path, const struct stat& status, std::string text) {
  const std::string beside = path + ".casbook-new";
  (void)unlink(beside.c_str());  // of one who died here
  Result<void> done;
  {
    const OsFile file = create(beside);
    if (!file.is_open())
      done = file_error(errno, "create key file", beside);
    else if (fchown(file.fd(), status.st_uid, status.st_gid) != 0 ||
             fchmod(file.fd(), status.st_mode & 07777) != 0)
      done = file_error(errno, "give its owner and mode to", beside);
    else
      done = write_and_sync(file, text, beside);
  }
  sodium_memzero(text.data(), text.size());
  if (done && rename(beside.c_str(), path.c_str()) != 0)
    done = file_error(errno, "rename key file to", path);
  if (!done) (void)unlink(beside.c_str());
  return done ? sync_directory_of(path) : done;
}

}  // namespace

Result<ClusterKeys> write_new_key(const std::string& path) {
  auto key = new_key();
  if (!key) return key.error();
  std::string text = text_of(*key);
  Result<void> done;
  {
    const OsFile file = create(path);
    done = file.is_open() ? write_and_sync(file, text, path)
                          : Result<void>(file_error(errno, "create key file", path));
    if (done) done = sync_directory_of(path);
    if (file.is_open() && !done) (void)unlink(path.c_str());
  }
  sodium_memzero(text.data(), text.size());
  if (!done) return done.error();
  return ClusterKeys(*key);
}

Result<ClusterKeys> read_keys(const std::string& path) {
  struct stat status;
  return read_keys(path, status);
}

Result<ClusterKeys> change_keys(const std::string& path, KeyChange change) {
  std::error_code failure;
  const std::string file = std::filesystem::canonical(path, failure).string();  // not the link
  if (failure) return file_error(failure.value(), "open key file", path);
  struct stat status;
  auto keys = read_keys(file, status);
  if (!keys) return keys;
  auto next = changed(*keys, change, file);
  if (!next) return next;
  if (auto replaced = replace(file, status, text_of(*next)); !replaced) return replaced.error();
  return next;
}

}  // namespace casbook::replicate
