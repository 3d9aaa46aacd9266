// The key file, and what is sealed with keys derived from it.
#include "replicate/keys.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <set>

#include <sys/stat.h>

#include "support/scratch_directory.h"

namespace casbook {
namespace {

using namespace replicate;
using test_support::ScratchDirectory;

using Bytes = std::vector<std::byte>;

ClusterKey key_of(uint8_t first) {
  ClusterKey key;
  key.bytes[0] = static_cast<std::byte>(first);
  return key;
}

Bytes bytes_of(std::string_view text) {
  Bytes bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

class KeyFile : public testing::Test {
 protected:
  std::string path() const { return directory_.path() + "/key"; }
  void write(const std::string& text, mode_t mode = 0600) {
    std::ofstream(path()) << text;
    ASSERT_EQ(chmod(path().c_str(), mode), 0);
  }
  Code code() const {
    const auto key = read_key(path());
    return key ? Code{} : key.error().code;
  }

 private:
  ScratchDirectory directory_;
};

TEST_F(KeyFile, IsNewEachTimeAndForThisUserOnly) {
  ASSERT_TRUE(write_new_key(path()));
  struct stat status;
  ASSERT_EQ(stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto key = read_key(path());
  ASSERT_TRUE(key);
  ASSERT_TRUE(write_new_key(path() + "2"));
  EXPECT_NE(key->bytes, read_key(path() + "2")->bytes);
}

TEST_F(KeyFile, IsNeverOverwritten) {
  ASSERT_TRUE(write_new_key(path()));
  const auto key = read_key(path());
  const auto again = write_new_key(path());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::book_exists);
  EXPECT_EQ(key->bytes, read_key(path())->bytes);
}

TEST_F(KeyFile, IsRefusedWhenOthersMayOpenIt) {
  ASSERT_TRUE(write_new_key(path()));
  for (const mode_t mode : {0640, 0604, 0620, 0602, 0610}) {
    ASSERT_EQ(chmod(path().c_str(), mode), 0);
    EXPECT_EQ(code(), Code::no_permission) << std::oct << mode;
  }
  ASSERT_EQ(chmod(path().c_str(), 0400), 0);
  EXPECT_EQ(code(), Code{});
}

TEST_F(KeyFile, IsRefusedWhenItsTextIsNotExactlyAKey) {
  const std::string word = "casbook-cluster-key-1 ", hex(64, 'a');
  write(word + hex + "\n");
  EXPECT_EQ(code(), Code{});
  for (const std::string& text :
       {std::string(), word + hex, word + hex + "\n\n", word + hex.substr(1) + "\n",
        word + hex.substr(1) + "g\n", "casbook-cluster-key-2 " + hex + "\n", hex + "\n"}) {
    write(text);
    EXPECT_EQ(code(), Code::damaged) << text;
  }
}

TEST_F(KeyFile, IsNamedWhenItIsNotThere) {
  const auto key = read_key(path());
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code, Code::bad_argument);
  EXPECT_NE(key.error().detail.find(path()), std::string::npos);
}

class Seal : public testing::TestWithParam<Cipher> {
 protected:
  void SetUp() override {
    if (!can_use(GetParam())) GTEST_SKIP() << "not on this machine";
  }
  static Bytes seal(const DatagramKey& key, uint64_t nonce = 1) {
    Bytes sealed(plain.size() + kSealBytes);
    key.seal(GetParam(), nonce, header, plain, sealed.data());
    return sealed;
  }
  static bool opens(const DatagramKey& key, const Bytes& sealed, uint64_t nonce = 1,
                    const Bytes& with = header) {
    Bytes opened(sealed.size());
    if (!key.open(GetParam(), nonce, with, sealed, opened.data())) return false;
    opened.resize(plain.size());
    EXPECT_EQ(opened, plain);
    return true;
  }

  inline static const Bytes header = bytes_of("header"), plain = bytes_of("a payment");
};

TEST_P(Seal, OpensWithTheSameKeyNumberAndHeaderOnly) {
  const DatagramKey key(key_of(1), 2, 3, 4);
  const Bytes sealed = seal(key);
  EXPECT_TRUE(opens(key, sealed));
  EXPECT_TRUE(opens(DatagramKey(key_of(1), 2, 3, 4), sealed));
  EXPECT_FALSE(opens(key, sealed, 2));
  EXPECT_FALSE(opens(key, sealed, 1, bytes_of("Header")));
  EXPECT_FALSE(opens(DatagramKey(key_of(9), 2, 3, 4), sealed)) << "cluster key";
  EXPECT_FALSE(opens(DatagramKey(key_of(1), 9, 3, 4), sealed)) << "cluster";
  EXPECT_FALSE(opens(DatagramKey(key_of(1), 2, 9, 4), sealed)) << "sender";
  EXPECT_FALSE(opens(DatagramKey(key_of(1), 2, 3, 9), sealed)) << "boot";
}

TEST_P(Seal, BreaksWithAnyBit) {
  const DatagramKey key(key_of(1), 2, 3, 4);
  const Bytes sealed = seal(key);
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Bytes spoiled = sealed;
    spoiled[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    EXPECT_FALSE(opens(key, spoiled)) << bit;
  }
  for (size_t bytes = 0; bytes < sealed.size(); ++bytes)
    EXPECT_FALSE(opens(key, Bytes(sealed.begin(), sealed.begin() + static_cast<long>(bytes))));
}

TEST_P(Seal, IsAnotherForEachNumber) {
  const DatagramKey key(key_of(1), 2, 3, 4);
  EXPECT_NE(seal(key, 1), seal(key, 2));
  EXPECT_NE(seal(key, 1), seal(key, uint64_t{1} << 63 | 1));
}

INSTANTIATE_TEST_SUITE_P(Ciphers, Seal,
                         testing::Values(Cipher::aes_256_gcm, Cipher::chacha20_poly1305));

TEST(KeyedNumber, DependsOnAllItIsMadeOf) {
  const std::set<uint64_t> numbers{
      keyed_number(key_of(1), 1, 1, 1), keyed_number(key_of(2), 1, 1, 1),
      keyed_number(key_of(1), 2, 1, 1), keyed_number(key_of(1), 1, 2, 1),
      keyed_number(key_of(1), 1, 1, 2)};
  EXPECT_EQ(numbers.size(), 5u);
  EXPECT_EQ(keyed_number(key_of(1), 1, 1, 1), keyed_number(key_of(1), 1, 1, 1));
}

}  // namespace
}  // namespace casbook
