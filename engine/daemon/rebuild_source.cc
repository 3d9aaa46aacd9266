#include "daemon/rebuild_source.h"

#include "daemon/event_log.h"
#include "journal/replay.h"

namespace casbook::daemon {

using journal::Storage;

Error damaged(const Storage& storage, const std::string& what) {
  return {.code = Code::damaged, .detail = storage.describe() + ": " + what};
}

Result<RebuildSource> find_source(const Storage& storage, uint64_t journal_id,
                                  const arena::CreateRequest& wanted, const std::string& directory,
                                  uint64_t to_lsn) {
  RebuildSource source{.request = wanted};
  const auto names = journal::list_checkpoints(storage);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    auto header = journal::read_checkpoint_header(storage, name);
    auto verified = header ? journal::verify_checkpoint(storage, name)
                           : Result<journal::CheckpointInfo>(header.error());
    if (!verified) {
      if (verified.error().code == Code::format_newer) return verified.error();
      log_event(Severity::error, "checkpoint_unsound",
                {{"name", name}, {"error", verified.error().message()}});
      continue;
    }
    if (header->journal_id != journal_id)
      return Error{.code = Code::foreign_journal,
                   .detail = storage.describe() + "/" + name + " is of another journal"};
    if (Position{header->position}.lsn() > to_lsn) continue;
    source.checkpoint = name, source.header = *header;
    break;
  }
  // What lies before the checkpoint may be missing or damaged: it is not needed.
  const uint64_t from = source.checkpoint.empty() ? 0 : Position{source.header.position}.lsn() + 1;
  auto segments = journal::list_segments(storage, journal_id, from);
  if (!segments) return segments.error();
  source.has_segments = !segments->empty();
  if (source.checkpoint.empty() && !source.has_segments && names->empty()) return source;
  if (source.checkpoint.empty() && (!source.has_segments || segments->front().header.next_lsn != 1))
    return damaged(storage, "no sound checkpoint, and the journal does not begin with the book");
  const journal::BookShape& shape =
      source.checkpoint.empty() ? segments->front().header.shape : source.header.shape;
  auto request = journal::request_of(shape, directory);
  if (!request) return request.error();
  if (request->name != wanted.name)
    return Error{.code = Code::foreign_journal,
                 .detail = storage.describe() + " keeps the book " + request->name};
  source.request = *request;
  return source;
}

}  // namespace casbook::daemon
