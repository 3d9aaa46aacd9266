// The key file and its changes, and what is sealed with keys derived from it.
#include "replicate/key_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
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
  std::string content() const {
    std::ifstream file(path());
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Code code() const {
    const auto keys = read_keys(path());
    return keys ? Code{} : keys.error().code;
  }
  mode_t mode() const {
    struct stat status;
    return stat(path().c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
  }

  const std::string word = "casbook-cluster-key-1 ", hex = std::string(64, 'a'),
                    other = std::string(64, 'b');

 private:
  ScratchDirectory directory_;
};

bool are_equal(const ClusterKeys& a, const ClusterKeys& b) {
  return std::ranges::equal(a.all(), b.all(), {}, &ClusterKey::bytes, &ClusterKey::bytes) &&
         std::ranges::equal(a.ids(), b.ids());
}

TEST_F(KeyFile, IsNewEachTimeAndForThisUserOnly) {
  const auto made = write_new_key(path());
  ASSERT_TRUE(made);
  EXPECT_EQ(mode(), 0600u);
  const auto keys = read_keys(path());
  ASSERT_TRUE(keys);
  EXPECT_TRUE(are_equal(*made, *keys));
  EXPECT_EQ(keys->all().size(), 1u);
  ASSERT_TRUE(write_new_key(path() + "2"));
  EXPECT_NE(keys->sealing().bytes, read_keys(path() + "2")->sealing().bytes);
}

TEST_F(KeyFile, IsNeverOverwritten) {
  ASSERT_TRUE(write_new_key(path()));
  const std::string before = content();
  const auto again = write_new_key(path());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::file_exists);
  EXPECT_EQ(content(), before);
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

TEST_F(KeyFile, IsRefusedWhenItsTextIsNotExactlyOneKeyOrTwo) {
  const std::string line = word + hex + "\n", second = word + other + "\n";
  for (const std::string& text : {line, line + second}) {
    write(text);
    EXPECT_EQ(code(), Code{}) << text;
  }
  for (const std::string& text :
       {std::string(), word + hex, line + "\n", word + hex.substr(1) + "\n",
        word + hex.substr(1) + "g\n", hex + "\n", line + hex + "\n", line + word + other,
        line + second + word + std::string(64, 'c') + "\n", line + line, "\n" + line,
        "casbook-cluster-key-0 " + hex + "\n", "casbook-cluster-key-01 " + hex + "\n",
        "casbook-cluster-key- " + hex + "\n", std::string("casbook-cluster-key-2"),
        std::string(1000, '\0')}) {
    write(text);
    EXPECT_EQ(code(), Code::damaged) << text;
  }
  EXPECT_EQ(read_keys(path()).error().message().find("book is"), std::string::npos)
      << "it is no book: " << read_keys(path()).error().message();
}

TEST_F(KeyFile, OfANewerProgramIsSaidToBe) {
  for (const std::string& text :
       {"casbook-cluster-key-2 " + hex + "\n", word + hex + "\ncasbook-cluster-key-17 x\n"}) {
    write(text);
    EXPECT_EQ(code(), Code::format_newer) << text;
    EXPECT_NE(read_keys(path()).error().detail.find(path()), std::string::npos);
  }
}

TEST_F(KeyFile, IsNamedWhenItIsNotThere) {
  const auto keys = read_keys(path());
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code, Code::bad_argument);
  EXPECT_NE(keys.error().detail.find(path()), std::string::npos);
  EXPECT_EQ(change_keys(path(), KeyChange::append).error().code, Code::bad_argument);
}

TEST_F(KeyFile, ChangesStepByStepFromOneKeyToAnother) {
  const ClusterKeys first = *write_new_key(path());
  ASSERT_EQ(chmod(path().c_str(), 0400), 0);
  const auto appended = change_keys(path(), KeyChange::append);
  ASSERT_TRUE(appended);
  ASSERT_EQ(appended->all().size(), 2u);
  EXPECT_EQ(appended->sealing().bytes, first.sealing().bytes);
  const ClusterKey fresh = appended->all()[1];
  const auto now = [&] { return *read_keys(path()); };
  EXPECT_TRUE(are_equal(now(), *appended));
  ASSERT_TRUE(change_keys(path(), KeyChange::swap));
  EXPECT_TRUE(are_equal(now(), ClusterKeys(fresh, first.sealing())));
  ASSERT_TRUE(change_keys(path(), KeyChange::drop));
  EXPECT_TRUE(are_equal(now(), ClusterKeys(fresh)));
  EXPECT_EQ(mode(), 0400u);
  EXPECT_EQ(
      std::distance(
          std::filesystem::directory_iterator(std::filesystem::path(path()).parent_path()), {}),
      1)
      << "nothing is left beside it";
}

TEST_F(KeyFile, IsLeftAloneWhenAStepIsNotTheNext) {
  ASSERT_TRUE(write_new_key(path()));
  const auto refused = [&](KeyChange change) {
    const std::string before = content();
    const auto done = change_keys(path(), change);
    return !done && done.error().code == Code::bad_argument && content() == before;
  };
  EXPECT_TRUE(refused(KeyChange::swap));
  EXPECT_TRUE(refused(KeyChange::drop));
  ASSERT_TRUE(change_keys(path(), KeyChange::append));
  EXPECT_TRUE(refused(KeyChange::append));
  write(word + "nonsense\n");
  EXPECT_EQ(change_keys(path(), KeyChange::append).error().code, Code::damaged);
  EXPECT_EQ(content(), word + "nonsense\n");
}

TEST_F(KeyFile, BehindALinkIsChangedWhereItIs) {
  ASSERT_TRUE(write_new_key(path()));
  const std::string link = path() + "-link";
  std::filesystem::create_symlink(path(), link);
  ASSERT_TRUE(change_keys(link, KeyChange::append));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(read_keys(path())->all().size(), 2u);
}

TEST(ClusterKeys, AreFoundByTheirIds) {
  const ClusterKeys keys(key_of(1), key_of(2));
  EXPECT_EQ(keys.sealing_id(), id_of(key_of(1)));
  EXPECT_EQ(keys.find(id_of(key_of(1)))->bytes, key_of(1).bytes);
  EXPECT_EQ(keys.find(id_of(key_of(2)))->bytes, key_of(2).bytes);
  EXPECT_EQ(keys.find(id_of(key_of(3))), nullptr);
  EXPECT_EQ(ClusterKeys(key_of(1)).find(id_of(key_of(2))), nullptr);
  EXPECT_EQ(text_of(KeyId{0x0a1b}), "0a1b");
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
