#include "support/commit_world.h"

namespace casbook::test {

using commit::CellImage;
using commit::Outcome;
using commit::WriteSet;

namespace {

constexpr uint32_t kAvailable = 0, kHeld = 1, kMarker = 2;
constexpr int64_t kNoCeiling = INT64_MAX;

// The session's choice of its next descriptor is free; the rule is about the one chosen.
uint32_t adopted(World& world, uint32_t session) {
  commit::Executor(world.store()).run_session(session);
  return session;
}

}  // namespace

Payer::Payer(World& world, uint32_t session)
    : world_(world), writer_(world.store(), adopted(world, session)) {}

CellImage Payer::read(uint32_t account) {
  CellSeen seen{.time = {world_.history.known(), 0}, .unit = world_.arena.account(account)};
  CellImage image;
  commit::read_cell(world_.store(), executor(), seen.unit, kAccountWords, image);
  seen.time.ended = world_.now();
  seen.count = kAccountWords;
  seen.has_cell_version = true;
  seen.version = image.version;
  std::copy_n(image.value, kAccountWords, seen.value);
  std::copy_n(image.word_version, kAccountWords, seen.word_version);
  world_.history.cells.push_back(seen);
  return image;
}

commit::CommitResult Payer::try_commit(WriteSet& set) {
  auto& attempts = world_.history.attempts;
  const uint64_t number = attempts.size();
  Attempt& attempt = attempts.emplace_back();
  attempt.time.began = world_.now();
  attempt.entries.assign(set.entries().begin(), set.entries().end());
  set.describe(commit::Kind::payment, static_cast<int64_t>(number));
  set.note(number);
  set.note(~number);
  base::AtomicU64& next = world_.store().session(writer_.session()).next;
  next.initialise(*reinterpret_cast<const uint64_t*>(&next) % world_.options.descriptors);
  const commit::CommitResult result = writer_.commit(set);
  attempts[number].result = result;
  attempts[number].time.ended = world_.now();
  attempts[number].is_answered = true;
  attempts[number].may_be_held = world_.history.may_be_held;
  return result;
}

commit::CommitResult Payer::commit(WriteSet& set) {
  for (;;) {
    WriteSet again = set;
    const commit::CommitResult result = try_commit(again);
    if (result.outcome != Outcome::backpressure) return result;
    world_.schedule.idle();
  }
}

void Payer::add_extra(WriteSet& set, Extra extra, uint32_t third, bool any_version) {
  if (extra == Extra::nothing) return;
  const commit::Unit unit = world_.arena.account(third);
  if (extra == Extra::guard && any_version) {
    set.check(unit, kMarker, commit::peek_word(world_.store(), unit, kMarker).version);
    return;
  }
  const CellImage image = read(third);
  if (extra == Extra::guard) return set.guard(unit, image.version);
  set.set(unit, kMarker, image.version, image.value[kMarker] + 1, image.value[kMarker]);
}

Outcome Payer::transfer_set(uint32_t from, uint32_t to, uint64_t amount, Extra extra,
                            uint32_t third) {
  for (;;) {
    WriteSet set;
    const CellImage payer = read(from), payee = read(to);
    if (payer.value[kAvailable] < amount) return Outcome::refused;
    set.set(world_.arena.account(from), kAvailable, payer.version, payer.value[kAvailable] - amount,
            payer.value[kAvailable]);
    set.set(world_.arena.account(to), kAvailable, payee.version, payee.value[kAvailable] + amount,
            payee.value[kAvailable]);
    add_extra(set, extra, third, false);
    const Outcome outcome = commit(set).outcome;
    if (is_final(outcome)) return outcome;
  }
}

Outcome Payer::transfer_add(uint32_t from, uint32_t to, uint64_t amount, Extra extra,
                            uint32_t third) {
  for (;;) {
    WriteSet set;
    const auto delta = static_cast<int64_t>(amount);
    set.add(world_.arena.account(from), kAvailable, -delta, 0, kNoCeiling);
    set.add(world_.arena.account(to), kAvailable, delta, 0, 25);
    add_extra(set, extra, third, true);
    const Outcome outcome = commit(set).outcome;
    if (is_final(outcome)) return outcome;
  }
}

Outcome Payer::spread_set(uint32_t from, uint32_t count, uint64_t amount) {
  const auto accounts = static_cast<uint32_t>(world_.arena.shape().accounts);
  const uint64_t taken = (count - 1) * amount;
  for (;;) {
    WriteSet set;
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t account = (from + i) % accounts;
      const CellImage image = read(account);
      const uint64_t available = image.value[kAvailable];
      if (i == 0 && available < taken) return Outcome::refused;
      set.set(world_.arena.account(account), kAvailable, image.version,
              i == 0 ? available - taken : available + amount, available);
    }
    const Outcome outcome = commit(set).outcome;
    if (is_final(outcome)) return outcome;
  }
}

Outcome Payer::spread_add(uint32_t from, uint32_t count, uint64_t amount) {
  const auto accounts = static_cast<uint32_t>(world_.arena.shape().accounts);
  WriteSet set;
  for (uint32_t i = 0; i < count; ++i) {
    const int64_t delta =
        i == 0 ? -static_cast<int64_t>((count - 1) * amount) : static_cast<int64_t>(amount);
    set.add(world_.arena.account((from + i) % accounts), kAvailable, delta, 0, kNoCeiling);
  }
  return commit(set).outcome;
}

Outcome Payer::hold_set(uint32_t account, uint64_t amount) {
  for (;;) {
    WriteSet set;
    const commit::Unit unit = world_.arena.account(account);
    const CellImage first = read(account), second = read(account);
    if (second.value[kAvailable] < amount) return Outcome::refused;
    set.set(unit, kAvailable, second.version, second.value[kAvailable] - amount,
            second.value[kAvailable]);
    set.set(unit, kHeld, first.version, first.value[kHeld] + amount, first.value[kHeld]);
    const Outcome outcome = commit(set).outcome;
    if (is_final(outcome)) return outcome;
  }
}

Outcome Payer::hold_add(uint32_t account, uint64_t amount) {
  WriteSet set;
  const commit::Unit unit = world_.arena.account(account);
  const auto delta = static_cast<int64_t>(amount);
  set.add(unit, kAvailable, -delta, 0, kNoCeiling);
  set.add(unit, kHeld, delta, 0, kNoCeiling);
  return commit(set).outcome;
}

Outcome Payer::record_refusal(uint32_t account, uint64_t amount, uint32_t third) {
  for (;;) {
    WriteSet set;
    set.deny(world_.arena.account(account), kAvailable, -static_cast<int64_t>(amount), 0,
             kNoCeiling);
    add_extra(set, Extra::marker, third, true);
    const Outcome outcome = commit(set).outcome;
    if (is_final(outcome)) return outcome;
  }
}

Outcome Payer::commit_by_chance() {
  Random& random = world_.schedule.random();
  const auto accounts = static_cast<uint32_t>(world_.arena.shape().accounts);
  const auto from = static_cast<uint32_t>(random.below(accounts));
  const auto to = static_cast<uint32_t>((from + 1 + random.below(accounts - 1)) % accounts);
  uint32_t third = 0;
  while (third == from || third == to) ++third;
  auto extra = static_cast<Extra>(random.below(3));
  if (third >= accounts) extra = Extra::nothing;
  const uint64_t amount = 1 + random.below(6);
  const bool any_version = random.below(100) < world_.options.any_percent;
  switch (random.below(6)) {
    case 0:
      return any_version ? hold_add(from, amount) : hold_set(from, amount);
    case 1:
      return record_refusal(from, amount + 4, to);
    default:
      return any_version ? transfer_add(from, to, amount, extra, third)
                         : transfer_set(from, to, amount, extra, third);
  }
}

bool Payer::do_anything_wide() {
  Random& random = world_.schedule.random();
  if (random.one_in(2)) return do_anything();
  const auto accounts = static_cast<uint32_t>(world_.arena.shape().accounts);
  const auto from = static_cast<uint32_t>(random.below(accounts));
  const auto count = static_cast<uint32_t>(5 + random.below(accounts - 4));
  const uint64_t amount = 1 + random.below(2);
  const bool any_version = random.below(100) < world_.options.any_percent;
  const Outcome outcome =
      any_version ? spread_add(from, count, amount) : spread_set(from, count, amount);
  return outcome != Outcome::sealed;
}

bool Payer::do_anything() {
  Random& random = world_.schedule.random();
  if (random.one_in(5)) {
    observe_anything(world_);
    return true;
  }
  return commit_by_chance() != Outcome::sealed;
}

}  // namespace casbook::test
