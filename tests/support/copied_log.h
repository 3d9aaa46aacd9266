// A node's log in the tests of catch-up: one that copies are made of, and one that a copy takes the
// place of. Entries hold the records of a living book, or bytes that say which they are.
#pragma once

#include <cstring>

#include "journal/copy_source.h"
#include "journal/copy_target.h"
#include "replicate/raft_log.h"
#include "support/twin.h"

namespace casbook::test_support {

inline const replicate::Configuration kCopyConfiguration{{{1, "10.0.0.1:1"}, {2, "10.0.0.2:1"}}};
constexpr uint64_t kCopySegmentBytes = 64 * journal::kBlockBytes;

class CopiedLog {
 public:
  CopiedLog(journal::Storage& storage, uint64_t journal_id, const journal::BookShape& shape = {})
      : storage_(storage), journal_id_(journal_id), shape_(shape) {}

  Result<void> open() {
    auto log =
        replicate::RaftLog::open(storage_, journal_id_, shape_, kCopyConfiguration,
                                 {.appender = {.segment_bytes = kCopySegmentBytes, .buffers = 3}});
    if (!log) return log.error();
    log_ = std::move(*log);
    return {};
  }
  void close() { log_.reset(); }
  replicate::RaftLog& log() { return *log_; }

  // Of bytes of its own; now and then one of consensus's.
  static replicate::EntryPtr make(uint64_t index, uint64_t term, uint64_t first_lsn) {
    auto entry = std::make_shared<replicate::LogEntry>();
    entry->index = index, entry->term = term, entry->first_lsn = first_lsn;
    if (index % 7 == 0) {
      entry->type = journal::EntryType::barrier;
      return entry;
    }
    entry->count = 1 + static_cast<uint32_t>(index % 3);
    entry->body.resize(64 + index * 97 % 3000);
    std::memset(entry->body.data(), static_cast<int>(index * 31 + term), entry->body.size());
    return entry;
  }
  void append(uint64_t count, uint64_t term) { replace(log_->last_index() + 1, count, term); }
  // From that index on, as another leader's entries do.
  void replace(uint64_t from, uint64_t count, uint64_t term) {
    const replicate::EntryPtr there = log_->entry(from);
    uint64_t lsn = there ? there->first_lsn : log_->next_lsn();
    std::vector<replicate::EntryPtr> entries;
    for (uint64_t index = from; index < from + count; ++index) {
      entries.push_back(make(index, term, lsn));
      lsn += entries.back()->count;
    }
    log_->append(entries);
  }
  // All of that book that the log has not yet, so many records in an entry.
  void take(const commit::Store& book, uint64_t end_lsn, uint64_t per_entry) {
    while (log_->next_lsn() < end_lsn) {
      const uint64_t from = log_->next_lsn();
      const auto records = records_of(book, from, std::min(end_lsn, from + per_entry));
      auto entry = std::make_shared<replicate::LogEntry>();
      entry->index = log_->last_index() + 1, entry->first_lsn = from;
      entry->term = Position{records.front()[2]}.term();
      for (const auto& record : records) {
        if (Position{record[2]}.term() != entry->term) break;
        const auto bytes = std::as_bytes(std::span(record));
        entry->body.insert(entry->body.end(), bytes.begin(), bytes.end());
        ++entry->count;
      }
      const replicate::EntryPtr whole = entry;
      log_->append({&whole, 1});
    }
  }
  // Until all is synced.
  Result<void> drive() {
    while (!log_->is_settled()) {
      if (auto done = log_->pump(); !done) return done;
      if (!log_->appender().is_settled())
        if (auto done = log_->appender().complete(); !done) return done;
      if (auto done = log_->appender().prepare_spare(); !done) return done;
      if (auto done = log_->roll(); !done) return done;
    }
    return {};
  }
  journal::CopySource::End end() const {
    const uint64_t index = log_->persisted_index();
    return {index, log_->term_at(index)};
  }
  // What is said of the entries of [from, last].
  std::vector<std::string> said(uint64_t from = 1) {
    std::vector<std::string> all;
    for (uint64_t index = from; index <= log_->last_index(); ++index) {
      const replicate::EntryPtr entry = log_->entry(index);
      std::string text = entry ? std::to_string(entry->term) + " " +
                                     std::to_string(static_cast<int>(entry->type)) + " " +
                                     std::to_string(entry->first_lsn) + " " +
                                     std::to_string(entry->count) + " "
                               : "missing";
      if (entry) text.append(reinterpret_cast<const char*>(entry->body.data()), entry->body.size());
      all.push_back(text);
    }
    return all;
  }

 private:
  journal::Storage& storage_;
  const uint64_t journal_id_;
  const journal::BookShape shape_;
  std::unique_ptr<replicate::RaftLog> log_;
};

using CopyMessages = std::vector<std::vector<std::byte>>;
// All of them, or the first error.
inline Result<CopyMessages> messages_of(journal::CopySource& source) {
  CopyMessages messages;
  for (;;) {
    std::vector<std::byte> message;
    auto next = source.next(message);
    if (!next) return next.error();
    if (!*next) return messages;
    messages.push_back(std::move(message));
  }
}

}  // namespace casbook::test_support
