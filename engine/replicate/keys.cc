#include "replicate/keys.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

#include <fcntl.h>
#include <sodium.h>

#include "arena/os_file.h"
#include "base/assert.h"

namespace casbook::replicate {

using arena::OsFile;

namespace {

constexpr std::string_view kFileWord = "casbook-cluster-key-1 ";
constexpr size_t kHexBytes = 64;
constexpr size_t kFileBytes = kFileWord.size() + kHexBytes + 1;

Error file_error(int error_number, const char* call, const std::string& path) {
  Error error = arena::os_error(error_number, call, path);
  if (error_number == EEXIST) error.code = Code::book_exists;
  if (error_number == ENOENT) error.code = Code::bad_argument;
  if (error_number == ENOSPC || error_number == EDQUOT) error.code = Code::no_space;
  return error;
}

Result<void> write_and_sync(const OsFile& file, const std::string& text, const std::string& path) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t written = write(file.fd(), text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return file_error(errno, "write", path);
    done += static_cast<size_t>(written);
  }
  if (fsync(file.fd()) != 0) return file_error(errno, "sync", path);
  std::string directory = std::filesystem::path(path).parent_path().string();
  if (directory.empty()) directory = ".";
  const OsFile parent(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.is_open() || fsync(parent.fd()) != 0)
    return file_error(errno, "sync directory", directory);
  return {};
}

Result<void> check_rights(const OsFile& file, const std::string& path) {
  struct stat status;
  if (fstat(file.fd(), &status) != 0) return file_error(errno, "stat", path);
  if (!S_ISREG(status.st_mode))
    return Error{.code = Code::damaged, .detail = "key file " + path + " is not a regular file"};
  if (status.st_uid != geteuid() && status.st_uid != 0)
    return Error{.code = Code::no_permission,
                 .detail = "key file " + path + " belongs to user " +
                           std::to_string(status.st_uid) + "; expected this user or root"};
  if (status.st_mode & (S_IRWXG | S_IRWXO))
    return Error{
        .code = Code::no_permission,
        .detail = "key file " + path + " is open to group or others; expected mode 0600 or 0400"};
  return {};
}

}  // namespace

Result<void> write_new_key(const std::string& path) {
  if (sodium_init() < 0) return Error{.code = Code::io_error, .detail = "no source of randomness"};
  unsigned char bytes[32];
  randombytes_buf(bytes, sizeof bytes);
  char hex[kHexBytes + 1];
  sodium_bin2hex(hex, sizeof hex, bytes, sizeof bytes);
  std::string text = std::string(kFileWord) + hex + "\n";
  Result<void> done;
  {
    const OsFile file(
        open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    done = file.is_open() ? write_and_sync(file, text, path)
                          : Result<void>(file_error(errno, "create key file", path));
    if (file.is_open() && !done) (void)unlink(path.c_str());
  }
  sodium_memzero(bytes, sizeof bytes);
  sodium_memzero(hex, sizeof hex);
  sodium_memzero(text.data(), text.size());
  return done;
}

Result<ClusterKey> read_key(const std::string& path) {
  const OsFile file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file.is_open()) return file_error(errno, "open key file", path);
  if (auto checked = check_rights(file, path); !checked) return checked.error();
  char text[kFileBytes + 1];
  ssize_t bytes;
  do bytes = read(file.fd(), text, sizeof text);
  while (bytes < 0 && errno == EINTR);
  if (bytes < 0) return file_error(errno, "read", path);
  ClusterKey key;
  size_t decoded = 0;
  const bool is_whole =
      bytes == static_cast<ssize_t>(kFileBytes) && text[kFileBytes - 1] == '\n' &&
      std::memcmp(text, kFileWord.data(), kFileWord.size()) == 0 &&
      sodium_hex2bin(reinterpret_cast<unsigned char*>(key.bytes.data()), key.bytes.size(),
                     text + kFileWord.size(), kHexBytes, nullptr, &decoded, nullptr) == 0 &&
      decoded == key.bytes.size();
  sodium_memzero(text, sizeof text);
  if (!is_whole)
    return Error{.code = Code::damaged,
                 .detail = "key file " + path + ": expected one line \"" + std::string(kFileWord) +
                           "\" and 64 hexadecimal digits"};
  return key;
}

bool can_use(Cipher cipher) {
  if (sodium_init() < 0) return false;
  return cipher == Cipher::chacha20_poly1305 || crypto_aead_aes256gcm_is_available() == 1;
}

namespace {

using Nonce = std::array<unsigned char, 12>;
static_assert(crypto_aead_aes256gcm_NPUBBYTES == 12);
static_assert(crypto_aead_chacha20poly1305_ietf_NPUBBYTES == 12);
static_assert(crypto_aead_aes256gcm_ABYTES == kSealBytes);
static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == kSealBytes);

Nonce nonce_of(uint64_t number) {
  Nonce nonce{};
  std::memcpy(nonce.data(), &number, sizeof number);
  return nonce;
}

const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}
unsigned char* raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

template <size_t kOut, size_t kIn>
void keyed_hash(const ClusterKey& key, std::string_view purpose,
                const std::array<uint64_t, kIn>& words, std::array<unsigned char, kOut>& out) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, raw(key.bytes.data()), key.bytes.size(), kOut);
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(purpose.data()),
                            purpose.size());
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(words.data()),
                            sizeof words);
  crypto_generichash_final(&state, out.data(), kOut);
  sodium_memzero(&state, sizeof state);
}

}  // namespace

struct DatagramKey::Schedule {
  crypto_aead_aes256gcm_state aes;
  std::array<unsigned char, 32> chacha;
  bool has_aes;
};

DatagramKey::DatagramKey(const ClusterKey& key, uint64_t cluster, uint64_t sender, uint64_t boot)
    : schedule_(std::make_unique<Schedule>()) {
  CASBOOK_ASSERT(sodium_init() >= 0);
  constexpr std::string_view kPurpose = "casbook datagram key";
  const auto derive = [&](Cipher cipher, std::array<unsigned char, 32>& out) {
    keyed_hash(key, kPurpose,
               std::array<uint64_t, 4>{cluster, sender, boot, static_cast<uint64_t>(cipher)}, out);
  };
  derive(Cipher::chacha20_poly1305, schedule_->chacha);
  schedule_->has_aes = can_use(Cipher::aes_256_gcm);
  if (!schedule_->has_aes) return;
  std::array<unsigned char, 32> aes;
  derive(Cipher::aes_256_gcm, aes);
  crypto_aead_aes256gcm_beforenm(&schedule_->aes, aes.data());
  sodium_memzero(aes.data(), aes.size());
}

DatagramKey::~DatagramKey() { sodium_memzero(schedule_.get(), sizeof *schedule_); }

void DatagramKey::seal(Cipher cipher, uint64_t nonce, std::span<const std::byte> header,
                       std::span<const std::byte> plain, std::byte* sealed) const {
  const Nonce public_nonce = nonce_of(nonce);
  unsigned long long bytes = 0;
  if (cipher == Cipher::aes_256_gcm) {
    CASBOOK_ASSERT(schedule_->has_aes);
    crypto_aead_aes256gcm_encrypt_afternm(raw(sealed), &bytes, raw(plain.data()), plain.size(),
                                          raw(header.data()), header.size(), nullptr,
                                          public_nonce.data(), &schedule_->aes);
  } else {
    crypto_aead_chacha20poly1305_ietf_encrypt(raw(sealed), &bytes, raw(plain.data()), plain.size(),
                                              raw(header.data()), header.size(), nullptr,
                                              public_nonce.data(), schedule_->chacha.data());
  }
}

bool DatagramKey::open(Cipher cipher, uint64_t nonce, std::span<const std::byte> header,
                       std::span<const std::byte> sealed, std::byte* plain) const {
  if (sealed.size() < kSealBytes) return false;
  const Nonce public_nonce = nonce_of(nonce);
  unsigned long long bytes = 0;
  if (cipher == Cipher::aes_256_gcm)
    return schedule_->has_aes &&
           crypto_aead_aes256gcm_decrypt_afternm(raw(plain), &bytes, nullptr, raw(sealed.data()),
                                                 sealed.size(), raw(header.data()), header.size(),
                                                 public_nonce.data(), &schedule_->aes) == 0;
  return crypto_aead_chacha20poly1305_ietf_decrypt(
             raw(plain), &bytes, nullptr, raw(sealed.data()), sealed.size(), raw(header.data()),
             header.size(), public_nonce.data(), schedule_->chacha.data()) == 0;
}

uint64_t keyed_number(const ClusterKey& key, uint64_t boot, uint64_t seed, uint64_t count) {
  CASBOOK_ASSERT(sodium_init() >= 0);
  std::array<unsigned char, 16> hash;
  keyed_hash(key, "casbook challenge", std::array<uint64_t, 3>{boot, seed, count}, hash);
  uint64_t number;
  std::memcpy(&number, hash.data(), sizeof number);
  return number ? number : 1;
}

}  // namespace casbook::replicate
