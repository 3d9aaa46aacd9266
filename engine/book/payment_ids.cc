#include "book/payment_ids.h"

#include <algorithm>
#include <string_view>

#include "base/assert.h"
#include "base/hash.h"

namespace casbook::book {

using base::Mutant;
using commit::CellImage;

namespace {

constexpr uint64_t kContinuation = 0xffff;
constexpr uint32_t kNoEntry = UINT32_MAX;

constexpr uint8_t kUlidKind = 4;  // beside ExternalId::Kind
constexpr size_t kUlidCharacters = 26;
constexpr uint8_t kNoDigit = 0xff;

// Of Crockford's base 32.
constexpr std::array<uint8_t, 256> kUlidDigits = [] {
  std::array<uint8_t, 256> digits{};
  digits.fill(kNoDigit);
  uint8_t value = 0;
  for (const char c : std::string_view("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
    digits[static_cast<size_t>(c)] = value++;
  return digits;
}();

// time:44 | code:8 | kind:3 | bytes:6 | continuation entry + 1:3
uint64_t pack_answer(int64_t time_ms, uint8_t code, const IdForm& id, uint32_t continuation_1) {
  return static_cast<uint64_t>(time_ms) << 20 | uint64_t{code} << 12 | uint64_t{id.kind} << 9 |
         uint64_t{id.bytes} << 3 | continuation_1;
}
int64_t answer_time(uint64_t answer) { return static_cast<int64_t>(answer >> 20); }
uint8_t answer_code(uint64_t answer) { return (answer >> 12) & 0xff; }

uint64_t fingerprint_at(uint64_t summary, uint32_t entry) {
  return (summary >> (16 * entry)) & 0xffff;
}
uint64_t with_fingerprint(uint64_t summary, uint32_t entry, uint64_t fingerprint) {
  return (summary & ~(uint64_t{0xffff} << (16 * entry))) | fingerprint << (16 * entry);
}

uint32_t word_of(uint32_t entry, uint32_t word) { return kEntries + entry * kIdEntryWords + word; }

// When the promise of an entry began: its commit's time, or its id's own where that is later.
int64_t entry_time(const CellImage& image, uint32_t entry) {
  const uint64_t answer = image.value[word_of(entry, kIdAnswer)];
  const IdForm form{{image.value[word_of(entry, kIdLow)], image.value[word_of(entry, kIdHigh)]},
                    static_cast<uint8_t>((answer >> 9) & 7), 0};
  return std::max(answer_time(answer), form.own_time_ms());
}

bool holds(const CellImage& image, uint32_t entry, const IdForm& id) {
  const auto& words = id.words;
  const uint64_t answer = image.value[word_of(entry, kIdAnswer)];
  const bool same_shape = ((answer >> 9) & 7) == id.kind && ((answer >> 3) & 63) == id.bytes;
  if (!same_shape || image.value[word_of(entry, kIdLow)] != words[0] ||
      image.value[word_of(entry, kIdHigh)] != words[1])
    return false;
  if (!id.is_long()) return true;
  const uint32_t rest = static_cast<uint32_t>(answer & 7) - 1;
  return rest < kBucketEntries && image.value[word_of(rest, kIdLow)] == words[2] &&
         image.value[word_of(rest, kIdHigh)] == words[3] &&
         image.value[word_of(rest, kIdContent)] == words[4];
}

IdAnswer answer_of(const CellImage& image, uint32_t entry) {
  const uint64_t answer = image.value[word_of(entry, kIdAnswer)];
  return {answer_code(answer), answer_time(answer),
          image.word_version[word_of(entry, kIdAnswer)], image.value[word_of(entry, kIdContent)]};
}

uint32_t find_entry(const CellImage& image, uint64_t fingerprint, const IdForm& id) {
  for (uint32_t i = 0; i < kBucketEntries; ++i)
    if (fingerprint_at(image.value[kSummary], i) == fingerprint && holds(image, i, id)) return i;
  return kNoEntry;
}

bool may_hold(uint64_t summary, uint64_t fingerprint) {
  bool may = false;
  for (uint32_t i = 0; i < kBucketEntries; ++i) may |= fingerprint_at(summary, i) == fingerprint;
  return may;
}

}  // namespace

PaymentIds::PaymentIds(const commit::Store& store, const Tables& tables)
    : store_(store),
      tables_(tables),
      seed_(store.mapping().geometry().hash_seed),
      window_ms_(static_cast<int64_t>(store.mapping().geometry().window_ms)) {}

void IdForm::take(const ExternalId& id) {
  words = id.words();
  kind = static_cast<uint8_t>(id.kind());
  bytes = id.size();
  if (id.kind() != ExternalId::Kind::text || id.size() != kUlidCharacters) return;
  __extension__ using Wide = unsigned __int128;
  Wide bits = 0;  // the first character says 3 of them, each of the others 5
  uint8_t all = 0;
  for (size_t i = 0; i < kUlidCharacters; ++i) {
    const uint8_t digit = kUlidDigits[id.words()[i / 8] >> (8 * (i % 8)) & 0xff];
    if (i == 0 && digit > 7) return;
    all |= digit;
    bits = bits << 5 | (digit & 31);
  }
  if (all > 31) return;  // some character was none
  words = {static_cast<uint64_t>(bits), static_cast<uint64_t>(bits >> 64), 0, 0, 0};
  kind = kUlidKind;
  bytes = 16;
}

// RFC 9562, section 5.7, and the ULID specification: 48 bits of time at the top.
int64_t IdForm::own_time_ms() const {
  const bool is_uuid = kind == static_cast<uint8_t>(ExternalId::Kind::uuid);
  const bool is_dated =
      kind == kUlidKind || (is_uuid && (words[1] >> 12 & 15) == 7 && words[0] >> 62 == 2);
  return is_dated ? static_cast<int64_t>(words[1] >> 16) : -1;
}

void PaymentIds::make_key(const PaymentId& id, Key& key) const {
  key.form.take(id.value);
  hash_form(key);
}

void PaymentIds::hash_form(Key& key) const {
  const uint64_t shape = uint64_t{key.form.kind} << 8 | key.form.bytes;
  const size_t bytes = key.form.is_long() ? sizeof(key.form.words) : 2 * sizeof(uint64_t);
  // Three parts of one hash: the top chooses the home, the middle the stride, the end the print.
  key.hash = base::hash_bytes(key.form.words.data(), bytes, seed_ + shape);
  key.home = base::reduce(key.hash, tables_.payment_buckets());
  // Neither a free entry's print nor a continuation's.
  key.fingerprint = std::clamp<uint64_t>(key.hash & 0xffff, 1, kContinuation - 1);
}

// The buckets of a chain are distinct, since 8 strides stay within the table.
Unit PaymentIds::bucket(const Key& key, uint32_t k) const {
  const uint64_t stride =
      1 + base::reduce(key.hash << 24, tables_.payment_buckets() / kIdChainMax - 1);
  const uint64_t index = key.home + k * stride;
  return tables_.payments(index < tables_.payment_buckets() ? index
                                                            : index - tables_.payment_buckets());
}

void PaymentIds::prefetch(const Key& key) const {
  const auto* lines = reinterpret_cast<const std::byte*>(&store_.cell(tables_.payments(key.home)));
  // All of it: which entry is free is not known yet, and the page is the costly part.
  for (uint32_t i = 0; i <= kBucketEntries; ++i)
    base::prefetch_for_write(lines + i * commit::kUnitBytes);
}

int64_t PaymentIds::horizon_ms() const {
  return static_cast<int64_t>(store_.cell(tables_.book()).word(kHorizon).lo.load_relaxed());
}

std::optional<IdAnswer> PaymentIds::find(const PaymentId& id) const {
  Key key;
  make_key(id, key);
  CellImage image;
  for (uint32_t k = 0; k < kIdChainMax; ++k) {
    commit::peek_cell(store_, bucket(key, k), kBucketWordsUsed, image);
    const uint32_t entry = find_entry(image, key.fingerprint, key.form);
    if (entry != kNoEntry) return answer_of(image, entry);
    if (image.value[kOver] == 0) break;
  }
  return std::nullopt;
}

// The common case: a home that has room, no trace of the id, and that nothing ever went past. False:
// anything else, for plan_slow() to see.
bool PaymentIds::plan_common(commit::Executor& executor, const Key& key, int64_t now_ms) {
  if (base::mutated(Mutant::ids_horizon_first)) return false;
  const Unit unit = tables_.payments(key.home);
  const auto head = commit::read_cell<kEntries>(store_, executor, unit);
  const uint64_t summary = head.value[kSummary], gone = head.value[kGone];
  if (head.value[kOver] != 0 || may_hold(summary, key.fingerprint) || key.form.is_long())
    return false;
  const int64_t own = key.form.own_time_ms();
  if (own >= 0 && (own < horizon_ms() || static_cast<uint64_t>(own) <= gone ||
                   own > now_ms + kFutureToleranceMs))
    return false;
  uint32_t entry = 0;
  while (entry < kBucketEntries && fingerprint_at(summary, entry) != 0) ++entry;
  if (entry == kBucketEntries) return false;
  target_ = {.unit = unit, .version = head.version, .entry = entry, .continuation = 0,
             .form = &key.form, .old_summary = summary, .old_gone = gone, .old_over = 0,
             .summary = with_fingerprint(summary, entry, key.fingerprint), .gone = gone,
             .clears_over = false};
  return true;
}

IdPlan PaymentIds::plan_slow(commit::Executor& executor, const Key& key, int64_t now_ms,
                             commit::WriteSet& set) {
  constexpr uint32_t kAllWords = kBucketWordsUsed;
  CellImage* const heads = heads_;
  Unit units[kIdChainMax];
  bool full_image[kIdChainMax] = {};
  uint32_t read = 0;
  const int64_t horizon_before = base::mutated(Mutant::ids_horizon_first) ? horizon_ms() : 0;
  const auto read_bucket = [&](uint32_t k, uint32_t words) {
    units[k] = bucket(key, k);
    commit::read_cell(store_, executor, units[k], words, heads[k]);
    full_image[k] = words == kAllWords;
  };
  // 1. Every bucket that may hold the id.
  do {
    read_bucket(read, kEntries);
    if (may_hold(heads[read].value[kSummary], key.fingerprint)) {
      read_bucket(read, kAllWords);
      const uint32_t entry = find_entry(heads[read], key.fingerprint, key.form);
      if (entry != kNoEntry) return {IdPlan::Kind::found, answer_of(heads[read], entry)};
    }
    ++read;
  } while (read < kIdChainMax && heads[read - 1].value[kOver] != 0 &&
           !base::mutated(Mutant::ids_over_ignored));
  // 2. Only now the horizon, and GONE of what was read: the id may have been there.
  const int64_t horizon =
      base::mutated(Mutant::ids_horizon_first) ? horizon_before : horizon_ms();
  const int64_t own = key.form.own_time_ms();
  const bool trusts_clock =
      base::mutated(Mutant::ids_clock_evicts) || base::mutated(Mutant::ids_horizon_first);
  const auto is_gone = [&](uint32_t k) {
    return own >= 0 && !trusts_clock && static_cast<uint64_t>(own) <= heads[k].value[kGone];
  };
  if (own >= 0 && own < horizon) return {IdPlan::Kind::too_old, {}};
  for (uint32_t k = 0; k < read; ++k)
    if (is_gone(k)) return {IdPlan::Kind::too_old, {}};
  if (own > now_ms + kFutureToleranceMs) return {IdPlan::Kind::from_future, {}};
  // 3. The first bucket with room: free entries, or ones that lie before the horizon.
  const uint32_t needed = key.form.is_long() ? 2 : 1;
  uint32_t room[2] = {kNoEntry, kNoEntry};
  bool evicts[2] = {false, false};
  const auto is_free = [&](uint32_t k, uint32_t i) {
    return fingerprint_at(heads[k].value[kSummary], i) == 0;
  };
  const auto is_expired = [&](uint32_t k, uint32_t i) {
    const int64_t time = entry_time(heads[k], i);
    const bool is_mutated =
        base::mutated(Mutant::ids_evict_unexpired) ||
        (base::mutated(Mutant::ids_clock_evicts) && time < now_ms - window_ms_);
    return time < horizon || is_mutated;
  };
  bool raced = false;
  const auto find_room = [&](uint32_t k) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < kBucketEntries && found < needed; ++i)
      if (is_free(k, i)) evicts[found] = false, room[found++] = i;
    if (found == needed) return true;
    if (!full_image[k]) {
      const uint64_t version = heads[k].version;
      read_bucket(k, kAllWords);
      raced |= heads[k].version != version;  // the id itself may have come in meanwhile
    }
    found = 0;
    for (uint32_t i = 0; i < kBucketEntries && found < needed; ++i) {
      const bool is_continuation =
          fingerprint_at(heads[k].value[kSummary], i) == kContinuation;
      if (is_free(k, i) || (!is_continuation && is_expired(k, i)))
        evicts[found] = !is_free(k, i), room[found++] = i;
    }
    return found == needed;
  };
  uint32_t at = 0;
  for (;; ++at) {
    if (at == kIdChainMax)
      return {raced ? IdPlan::Kind::raced : IdPlan::Kind::window_full, {}};
    if (at == read) {
      read_bucket(read++, kEntries);
      if (is_gone(at)) return {IdPlan::Kind::too_old, {}};
    }
    if (find_room(at)) break;
  }
  if (raced) return {IdPlan::Kind::raced, {}};
  // 4. The buckets around it: what was seen absent (and full) there must still hold at the commit.
  const auto latest = static_cast<uint64_t>(std::max(own, now_ms));
  for (uint32_t k = 0; k < read; ++k) {
    if (k == at) continue;
    const CellImage& head = heads[k];
    if (k < at && latest > head.value[kOver])
      set.set(units[k], kOver, head.version, latest, head.value[kOver]);
    else if (!base::mutated(k < at ? Mutant::ids_home_unguarded : Mutant::ids_second_unguarded))
      set.guard(units[k], head.version);
  }
  // 5. Remember the place; insert() writes it once the answer is known.
  const CellImage& head = heads[at];
  target_.unit = units[at];
  target_.version = head.version;
  target_.entry = room[0];
  target_.continuation = room[1];
  target_.form = &key.form;
  target_.old_summary = head.value[kSummary];
  target_.old_gone = head.value[kGone];
  target_.old_over = head.value[kOver];
  target_.summary = with_fingerprint(head.value[kSummary], room[0], key.fingerprint);
  if (needed == 2) target_.summary = with_fingerprint(target_.summary, room[1], kContinuation);
  target_.gone = head.value[kGone];
  for (uint32_t i = 0; i < needed; ++i) {
    if (!evicts[i]) continue;
    const uint64_t answer = head.value[word_of(room[i], kIdAnswer)];
    target_.gone = std::max(target_.gone, static_cast<uint64_t>(entry_time(head, room[i])));
    const uint32_t rest = static_cast<uint32_t>(answer & 7);  // its continuation goes with it
    if (rest != 0 && rest - 1 != target_.entry && !(needed == 2 && rest - 1 == room[1]))
      target_.summary = with_fingerprint(target_.summary, rest - 1, 0);
  }
  const uint64_t over = head.value[kOver];
  target_.clears_over = over != 0 && over < static_cast<uint64_t>(horizon);
  if (target_.clears_over && !base::mutated(Mutant::ids_over_cleared_plain))
    target_.gone = std::max(target_.gone, over);
  if (trusts_clock) target_.gone = head.value[kGone];
  return {IdPlan::Kind::fresh, {}};
}

void PaymentIds::insert(commit::WriteSet& set, uint8_t code, uint64_t content,
                        int64_t now_ms) const {
  const Target& t = target_;
  const IdForm& id = *t.form;
  if (t.clears_over) set.set(t.unit, kOver, t.version, 0, t.old_over);
  if (t.gone != t.old_gone) set.set(t.unit, kGone, t.version, t.gone, t.old_gone);
  set.set(t.unit, kSummary, t.version, t.summary, t.old_summary);
  put_entry(set, t.entry, id.words[0], id.words[1],
            pack_answer(now_ms, code, id, id.is_long() ? t.continuation + 1 : 0), content);
  if (id.is_long()) put_entry(set, t.continuation, id.words[2], id.words[3], 0, id.words[4]);
}

// What it replaces is free or expired, and is read here: it is of the version planned for, or the
// commit fails.
void PaymentIds::put_entry(commit::WriteSet& set, uint32_t entry, uint64_t low, uint64_t high,
                           uint64_t answer, uint64_t content) const {
  const uint32_t first = word_of(entry, 0);
  const commit::Word* const old = &store_.cell(target_.unit).word(first);
  const auto put = [&](uint32_t i, uint64_t value) {
    set.set(target_.unit, first + i, target_.version, value, old[i].lo.load_relaxed());
  };
  put(kIdLow, low);
  put(kIdHigh, high);
  put(kIdAnswer, answer);
  put(kIdContent, content);
}

void PaymentIds::move_horizon(log::LogWriter& writer, int64_t now_ms) const {
  const int64_t target = now_ms - window_ms_;
  if (horizon_ms() >= target - window_ms_ / 64) return;
  CellImage image;
  commit::read_cell(store_, writer.executor(), tables_.book(), kHorizon + 1, image);
  if (static_cast<int64_t>(image.value[kHorizon]) >= target) return;
  commit::WriteSet set;
  set.describe(commit::Kind::move_horizon, now_ms);
  set.set(tables_.book(), kHorizon, image.version, static_cast<uint64_t>(target),
          image.value[kHorizon]);
  writer.commit(set);  // a conflict means that somebody else moved it, or will
}

std::string PaymentIds::first_damage(const CellImage& bucket_image, Unit unit) const {
  bool is_continued[kBucketEntries] = {};
  for (uint32_t i = 0; i < kBucketEntries; ++i) {
    const uint64_t print = fingerprint_at(bucket_image.value[kSummary], i);
    if (print == 0 || print == kContinuation) continue;
    const uint64_t answer = bucket_image.value[word_of(i, kIdAnswer)];
    const uint32_t rest = static_cast<uint32_t>(answer & 7);
    Key key;
    key.form.kind = (answer >> 9) & 7;
    key.form.bytes = (answer >> 3) & 63;
    key.form.words = {bucket_image.value[word_of(i, kIdLow)],
                      bucket_image.value[word_of(i, kIdHigh)], 0, 0, 0};
    const std::string which = "entry " + std::to_string(i);
    if (key.form.is_long() != (rest != 0) || rest > kBucketEntries || rest == i + 1)
      return which + " goes on nowhere";
    if (rest != 0) {
      is_continued[rest - 1] = true;
      key.form.words[2] = bucket_image.value[word_of(rest - 1, kIdLow)];
      key.form.words[3] = bucket_image.value[word_of(rest - 1, kIdHigh)];
      key.form.words[4] = bucket_image.value[word_of(rest - 1, kIdContent)];
    }
    hash_form(key);
    bool is_in_chain = false;
    for (uint32_t k = 0; k < kIdChainMax; ++k) is_in_chain |= bucket(key, k) == unit;
    if (key.fingerprint != print || !is_in_chain) return which + " is not of its id";
  }
  for (uint32_t i = 0; i < kBucketEntries; ++i)
    if (is_continued[i] != (fingerprint_at(bucket_image.value[kSummary], i) == kContinuation))
      return "entry " + std::to_string(i) + " continues nothing";
  return "";
}

PaymentIds::Fill PaymentIds::fill() const {
  Fill fill{0, tables_.payment_buckets() * kBucketEntries};
  for (uint64_t b = 0; b < tables_.payment_buckets(); ++b) {
    const uint64_t summary =
        store_.cell(tables_.payments(b)).word(kSummary).lo.load_relaxed();
    for (uint32_t i = 0; i < kBucketEntries; ++i) fill.entries_used += fingerprint_at(summary, i) != 0;
  }
  return fill;
}

}  // namespace casbook::book
