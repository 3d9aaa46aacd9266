#include <casbook/book.h>

#include "api/book_impl.h"
#include "api/log_impl.h"
#include "api/plan.h"
#include "api/refusal.h"
#include "api/session_impl.h"
#include "book/reading.h"
#include "log/durable.h"
#include "log/follower.h"

namespace casbook {

namespace api {

Core::Core(std::unique_ptr<arena::Mapping> mapped)
    : mapping(std::move(mapped)),
      store(*mapping),
      tables(store),
      accounts(store, tables),
      ids(store, tables) {}

Result<std::shared_ptr<Core>> open_core(const std::string& directory, std::string_view name,
                                        arena::Access access) {
  base::arm_fault_from_environment();
  auto mapping = arena::attach(directory, std::string(name), access);
  if (!mapping) return mapping.error();
  if (const char* fault = commit::Store::fault_of(**mapping))
    return Error{Code::damaged, false, 0, 0, fault};
  auto core = std::make_shared<Core>(std::move(*mapping));
  if (access == arena::Access::read_only) return core;
  // What a dead session left undecided is run by an executor of the taker's own.
  auto attachment = arena::Attachment::open(*core->mapping, [store = &core->store](uint32_t s) {
    commit::Executor(*store).run_session(s);
  });
  if (!attachment) return attachment.error();
  core->attachment = std::move(*attachment);
  return core;
}

}  // namespace api

Book::Book(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Book::Book(Book&&) noexcept = default;
Book& Book::operator=(Book&&) noexcept = default;
Book::~Book() = default;

Result<Book> Book::create(std::string_view name, const CreateOptions& options) {
  base::arm_fault_from_environment();
  auto request = api::plan_arena(name, options);
  if (!request) return request.error();
  auto created = arena::create(*request, [](arena::Mapping& mapping) -> Result<void> {
    commit::Store::format(mapping, true);
    return {};
  });
  if (!created) return created.error();
  return attach(name, options.directory);
}

Result<Book> Book::attach(std::string_view name, const std::string& directory) {
  auto core = api::open_core(directory, name, arena::Access::read_write);
  if (!core) return core.error();
  return Book(std::make_shared<Impl>(std::move(*core)));
}

Result<Book> Book::observe(std::string_view name, const std::string& directory) {
  auto core = api::open_core(directory, name, arena::Access::read_only);
  if (!core) return core.error();
  return Book(std::make_shared<Impl>(std::move(*core)));
}

Result<void> Book::destroy(std::string_view name, const std::string& directory) {
  return arena::destroy(directory, std::string(name));
}

Result<Session> Book::open_session() {
  const auto core = impl_->share();
  if (core->is_forked()) return Code::forked;
  if (!core->attachment) return Code::read_only;
  auto slot = core->attachment->open_session();
  if (!slot) return slot.error();
  return Session(std::make_unique<Session::Impl>(impl_, core, *slot));
}

Result<LedgerInfo> Book::find_ledger(std::string_view name) const {
  const auto core = impl_->view();
  if (core->is_forked()) return Code::forked;
  return api::judged(*core, api::once_covered(*core, core->accounts.find_ledger(name)));
}

namespace {

bool is_covered(const api::Core& core, const LedgerInfo& ledger) {
  // Relaxed: whoever follows has nothing but what a majority has, and whoever leads is asked.
  const uint64_t role = core.store.replication().role.load_relaxed();
  return !core.store.is_replicated() ||
         role == static_cast<uint64_t>(arena::ReplicaRole::following) ||
         api::wait_held(core, api::opening_of(core, ledger), Level::quorum, {});
}

}  // namespace

std::vector<LedgerInfo> Book::ledgers() const {
  std::vector<LedgerInfo> list;
  const auto core = impl_->view();
  if (core->is_forked()) return list;
  const uint64_t opened = core->accounts.ledgers_opened();
  for (uint32_t i = 0; i < opened; ++i) {
    auto ledger = core->accounts.ledger_at(i);
    // Opened in this order: what a majority does not have yet, and may be undone, is at the end.
    if (ledger && !is_covered(*core, *ledger)) break;
    if (ledger) list.push_back(std::move(*ledger));
  }
  return list;
}

Result<Account> Book::find_account(const AccountId& id) const {
  const auto core = impl_->view();
  if (core->is_forked()) return Code::forked;
  return api::judged(*core, api::once_covered(*core, core->accounts.find(id)));
}

Result<AccountInfo> Book::account_info(Account account) const {
  const auto core = impl_->view();
  if (core->is_forked()) return Code::forked;
  return api::judged(*core, core->accounts.info(account));
}

Result<Balance> Book::balance(Account account) const {
  const auto view = impl_->view();
  const api::Core& core = *view;
  if (core.is_forked()) return Code::forked;
  return api::judged(core, book::read_balance(core.store, core.tables, account));
}

Result<std::vector<Balance>> Book::balances(std::span<const Account> accounts, Position at) const {
  const auto view = impl_->view();
  const api::Core& core = *view;
  if (core.is_forked()) return Code::forked;
  return api::judged(core, book::read_balances(core.store, core.tables, accounts, at));
}

Result<BookSnapshot> Book::snapshot(Position at) const {
  const auto view = impl_->view();
  const api::Core& core = *view;
  if (core.is_forked()) return Code::forked;
  return api::judged(core, book::read_book(core.store, core.tables, core.accounts, at));
}

Result<std::vector<HistoryLine>> Book::history(Account account, Position from,
                                               uint32_t count_max) const {
  const auto view = impl_->view();
  const api::Core& core = *view;
  if (core.is_forked()) return Code::forked;
  return api::judged(core, book::read_history(core.store, core.tables, account, from, count_max));
}

Result<PaymentInfo> Book::lookup(const PaymentId& id) const {
  const auto view = impl_->view();
  const api::Core& core = *view;
  if (core.is_forked()) return Code::forked;
  return api::judged(core, book::look_up(core.store, core.tables, core.ids, id));
}

Result<AuditReport> Book::audit() const {
  const auto view = impl_->view();
  const api::Core& core = *view;
  if (core.is_forked()) return Code::forked;
  return book::audit(core.store, core.tables, core.accounts);
}

Result<LogReader> Book::read_log(Position from) const {
  const auto core = impl_->share();
  if (core->is_forked()) return Code::forked;
  return LogReader::Impl::open(core, from,
                               log::is_journaled(core->store) ? Level::durable : Level::memory);
}

Result<LogReader> Book::read_log(Position from, Level level) const {
  const auto core = impl_->share();
  if (core->is_forked()) return Code::forked;
  // A journal that has failed still tells how far it got.
  if ((level == Level::quorum && !core->store.is_replicated()) ||
      (level == Level::durable && !log::is_journaled(core->store)))
    return api::check_level(*core, level).error();
  return LogReader::Impl::open(core, from, level);
}

Result<LogFollower> Book::follow(std::string_view name, FullPolicy policy, bool from_oldest) {
  const auto core = impl_->share();
  if (core->is_forked()) return Code::forked;
  if (!core->attachment) return Code::read_only;
  if (name == log::kJournalFollower && log::is_journaled(core->store))
    return Error{.code = Code::bad_argument,
                 .detail = "follower name: \"journal\" is the daemon's in this book"};
  auto follower = log::Follower::open(
      core->store, core->attachment->ref(), name, static_cast<log::FullPolicy>(policy),
      from_oldest ? log::Follower::Start::oldest : log::Follower::Start::end);
  if (!follower) return follower.error();
  return LogFollower(std::make_unique<LogFollower::Impl>(core, *follower));
}

Result<LeaseInfo> Book::lease(std::string_view name) const {
  const auto core = impl_->view();
  if (core->is_forked()) return Code::forked;
  return api::judged(*core, lease::Leases(core->store, {}).info(name));
}

std::vector<LeaseInfo> Book::leases() const {
  const auto core = impl_->view();
  if (core->is_forked()) return {};
  return lease::Leases(core->store, {}).list();
}

Position Book::position() const {
  const auto core = impl_->view();
  if (core->is_forked()) return {};
  return log::last_position(core->store);
}

Position Book::durable_position() const {
  const auto core = impl_->view();
  if (core->is_forked() || !log::is_journaled(core->store)) return {};
  return log::durable_position(core->store);
}

Result<void> Book::wait(Position position, Level level, std::chrono::milliseconds timeout) const {
  return impl_->wait(position, level, timeout);
}

BookStatus Book::status() const {
  const auto core = impl_->view();
  if (core->is_forked()) return {};
  BookStatus status = api::read_status(*core);
  status.position = log::last_position(core->store);
  status.journal = api::read_journal_status(*core, status.followers);
  status.cluster = api::read_cluster_status(*core);
  return status;
}

BookActivity Book::activity() const {
  const auto core = impl_->view();
  if (core->is_forked()) return {};
  BookActivity activity = api::read_activity(*core);
  activity.position = log::last_position(core->store);
  activity.cluster = api::read_cluster_status(*core);
  if (log::is_journaled(core->store)) activity.durable = log::durable_position(core->store);
  return activity;
}

Result<uint32_t> Book::take_over_the_dead() {
  const auto core = impl_->view();
  if (core->is_forked()) return Code::forked;
  if (!core->attachment) return Code::read_only;
  return core->attachment->take_over_the_dead();
}

}  // namespace casbook
