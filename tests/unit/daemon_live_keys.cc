// The keys of a daemon, read again: what is taken, what is refused and changes nothing.
#include "daemon/live_keys.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/event_log.h"
#include "replicate/key_file.h"
#include "support/captured_errors.h"
#include "support/scratch_directory.h"
#include "support/small_book.h"

namespace casbook::daemon {
namespace {

using replicate::change_keys;
using replicate::KeyChange;
using replicate::KeyId;
using test_support::CapturedErrors;
using test_support::must;
using test_support::ScratchDirectory;
using testing::ElementsAre;
using testing::HasSubstr;

class LiveKeysOfAFile : public testing::Test {
 protected:
  LiveKeysOfAFile() : path_(directory_.path() + "/key") {
    must(open_event_log("info"));
    must(replicate::write_new_key(path_));
    live_.emplace(must(LiveKeys::read(path_)));
  }
  std::vector<KeyId> ids() const {
    const auto ids = live_->keys().ids();
    return {ids.begin(), ids.end()};
  }
  // What is told; `done`: whether it was taken.
  std::string reload(bool& done) {
    const CapturedErrors errors;
    done = static_cast<bool>(live_->reload());
    return errors.text();
  }

  ScratchDirectory directory_;
  std::string path_;
  std::optional<LiveKeys> live_;
};

TEST_F(LiveKeysOfAFile, FollowItStepByStep) {
  const KeyId first = ids()[0];
  bool done = false;
  const KeyId second = must(change_keys(path_, KeyChange::append)).ids()[1];
  EXPECT_THAT(reload(done),
              HasSubstr("level=info event=keys_reloaded sealing=" + replicate::text_of(first) +
                        " also=" + replicate::text_of(second)));
  EXPECT_THAT(ids(), ElementsAre(first, second));
  must(change_keys(path_, KeyChange::swap));
  reload(done);
  EXPECT_THAT(ids(), ElementsAre(second, first));
  must(change_keys(path_, KeyChange::drop));
  EXPECT_THAT(reload(done), HasSubstr(" also=none"));
  EXPECT_THAT(ids(), ElementsAre(second));
}

TEST_F(LiveKeysOfAFile, StayWhereItIsNotRight) {
  const std::vector<KeyId> before = ids();
  const auto refused = [&](const std::string& word) {
    bool done = true;
    EXPECT_THAT(reload(done), testing::AllOf(HasSubstr("level=error event=keys_not_reloaded"),
                                             HasSubstr(word), HasSubstr(path_)));
    EXPECT_FALSE(done);
    EXPECT_EQ(ids(), before);
  };
  std::ofstream(path_, std::ios::trunc) << "nonsense";
  refused("damaged");
  std::ofstream(path_, std::ios::trunc) << "casbook-cluster-key-2 something\n";
  refused("format_newer");
  // Another key from one moment to the next: the other hosts would not be heard any more.
  std::ofstream(path_, std::ios::trunc) << "casbook-cluster-key-1 " << std::string(64, 'a') << "\n";
  refused("swap before you drop");
  ASSERT_EQ(chmod(path_.c_str(), 0644), 0);
  refused("no_permission");
  ASSERT_EQ(unlink(path_.c_str()), 0);
  refused("No such file");
}

}  // namespace
}  // namespace casbook::daemon
