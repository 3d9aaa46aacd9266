#include "daemon/catch_up_client.h"

namespace casbook::daemon {

namespace {

Error refused(const CatchUpQuestion& question, std::span<const std::byte> plain) {
  const auto answer =
      plain.size() == 1 ? static_cast<CatchUpAnswer>(plain[0]) : static_cast<CatchUpAnswer>(255);
  const Code code = answer == CatchUpAnswer::other_disk ? Code::foreign_journal
                    : answer == CatchUpAnswer::busy     ? Code::backpressure
                                                        : Code::damaged;
  return {.code = code,
          .detail = "node " + std::to_string(question.name.server) + " at " + question.address +
                    " gives no copy: " + text_of(answer)};
}

Result<void> fetch(const replicate::ClusterKeys& keys, const CatchUpQuestion& question,
                   journal::CopyTarget& target) {
  auto channel = CatchUpChannel::connect(question.address, keys, question.name, question.channel);
  if (!channel) return channel.error();
  if (auto sent = channel->send(encode(question.request)); !sent) return sent;
  std::vector<std::byte> plain;
  bool is_last = false;
  if (auto received = channel->receive(plain, is_last); !received) return received;
  const bool is_yes =
      plain.size() == 1 && !is_last && plain[0] == static_cast<std::byte>(CatchUpAnswer::yes);
  if (!is_yes) return refused(question, plain);
  // Bounded by the copy; each frame has its time.
  for (;;) {
    if (auto received = channel->receive(plain, is_last); !received) return received;
    if (is_last) break;
    if (auto taken = target.take(plain); !taken) return taken;
  }
  if (!target.is_whole())
    return Error{.code = Code::damaged, .detail = "the copy ended before its end"};
  return {};
}

}  // namespace

Result<std::unique_ptr<journal::CopyTarget>> fetch_copy(
    journal::Storage& storage, const replicate::ClusterKeys& keys, const CatchUpQuestion& question,
    const journal::CopyTargetOptions& target_options) {
  auto target = journal::CopyTarget::open(storage, target_options);
  if (!target) return target.error();
  const auto fetched = fetch(keys, question, **target);
  if (fetched || (*target)->is_whole()) return target;
  target->reset();
  if (auto discarded = journal::discard_copy(storage); !discarded) return discarded.error();
  return fetched.error();
}

}  // namespace casbook::daemon
