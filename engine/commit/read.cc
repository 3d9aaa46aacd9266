#include "commit/read.h"

#include <algorithm>

#include <casbook/types.h>

#include "base/assert.h"

namespace casbook::commit {

namespace {

void load_words(const Store& store, Unit unit, uint32_t words, CellImage& image) {
  Cell& cell = store.cell(unit);
  image.count = words;
  for (uint32_t i = 0; i < words; ++i) {
    image.value[i] = cell.word(i).lo.load_relaxed();
    image.word_version[i] = cell.word(i).hi.load_relaxed();
  }
}

// What the log and the descriptor say of a lock seen in a cell.
enum class Verdict { words_are_right, take_body, look_again };

// `state` is the lock; the words were loaded before. `from` is a tail loaded before the words.
Verdict judge_lock(const Store& store, uint64_t reference, uint64_t from, uint64_t& position) {
  Descriptor* descriptor = store.find_descriptor(reference);
  if (!descriptor) return Verdict::words_are_right;
  const uint64_t sequence = reference_sequence(reference);
  // [decide] Acquire, detail between two looks.
  const uint64_t status = descriptor->status.lo.load_acquire();
  const uint64_t detail = descriptor->status.hi.load_relaxed();
  const uint64_t epoch = descriptor->epoch.load_relaxed();
  base::acquire_fence();                                                // [recycle]
  if (!is_instance(status, sequence)) return Verdict::words_are_right;  // a leftover
  if (descriptor->status.lo.load_relaxed() != status) return Verdict::look_again;
  switch (status_state(status)) {
    case State::aborted:
      return Verdict::words_are_right;
    case State::committed:
      position = detail;
      return Verdict::take_body;
    case State::initial:
      return Verdict::look_again;
    case State::undecided:
      break;
  }
  for (uint64_t p = from;; ++p) {
    LogSlot& slot = store.slot(p);
    // [claim] LSN, content, LSN.
    const uint64_t slot_lsn = slot.lo.load_acquire();
    const uint64_t content = slot.hi.load_relaxed();
    base::acquire_fence();  // [claim]
    if (slot.lo.load_relaxed() != slot_lsn) return Verdict::look_again;
    if (slot_lsn == p && content == reference) {
      position = Position::of(epoch, p).value;
      return Verdict::take_body;
    }
    if (slot_lsn == p) continue;
    if (slot_lsn != p - store.ring_slots()) return Verdict::look_again;
    break;
  }
  // Still undecided after the words were read: nobody had begun to write them. [decide]
  return descriptor->status.lo.load_acquire() == status ? Verdict::words_are_right
                                                        : Verdict::look_again;
}

// Puts what the committed instance writes into the image. False: it was recycled meanwhile.
bool overlay_body(const Store& store, uint64_t reference, Unit unit, uint64_t position,
                  CellImage& image) {
  Descriptor* descriptor = store.find_descriptor(reference);
  const uint64_t sequence = reference_sequence(reference);
  const uint32_t count = std::min<uint32_t>(descriptor->head.load_relaxed() & 0xff, kEntriesMax);
  bool writes = false;
  for (uint32_t i = 0; i < count; ++i) {
    const Entry& entry = descriptor->entries[i];
    const EntryValue value{entry.where.load_relaxed(), entry.a.load_relaxed(),
                           entry.b.load_relaxed(), 0};
    if (value.unit() != unit) continue;
    const Mode mode = value.mode();
    if (mode != Mode::set && mode != Mode::add) continue;
    writes = true;
    if (value.word() >= image.count) continue;
    const uint64_t old = mode == Mode::add ? descriptor->agreed[i].lo.load_relaxed() : 0;
    image.value[value.word()] = mode == Mode::add ? old + value.a : value.b;
    image.word_version[value.word()] = position;
  }
  base::acquire_fence();  // [recycle] the body before the second look
  if (!is_instance(descriptor->status.lo.load_relaxed(), sequence)) return false;
  if (writes) image.version = position;
  return true;
}

}  // namespace

void read_cell(const Store& store, Executor& executor, Unit unit, uint32_t words,
               CellImage& image) {
  Cell& cell = store.cell(unit);
  for (uint32_t spins = 0;;) {
    // [release] Acquire: the words that the last writer left.
    const uint64_t state = cell.state.load_acquire();
    if (is_reference(state)) {
      if (++spins < base::tuning.spins_before_helping) {
        base::spin_pause();
      } else {
        spins = 0;
        executor.help(state, unit);
      }
      continue;
    }
    load_words(store, unit, words, image);
    // [lock] Fence: the words before the second look. A writer locks before it writes.
    base::acquire_fence();
    if (cell.state.load_relaxed() != state) continue;
    image.version = state;
    return;
  }
}

void peek_cell(const Store& store, Unit unit, uint32_t words, CellImage& image) {
  Cell& cell = store.cell(unit);
  // Progress: another round means that the lock or its instance changed: a commit elsewhere. Where
  // nothing ever changes, nobody wrote that lock: the words are what there is.
  for (uint32_t round = 0;; ++round) {
    const uint64_t state = cell.state.load_acquire();  // [release]
    if (!is_reference(state)) {
      load_words(store, unit, words, image);
      base::acquire_fence();  // [lock] as in read_cell()
      if (cell.state.load_relaxed() != state) continue;
      image.version = state;
      return;
    }
    // The order matters: tail, words, status, log, status again, lock again. Words read after the
    // status could be half applied while the lock stays what it was.
    const uint64_t from = store.control().tail.load_acquire();  // [tail]
    const bool words_late = base::mutated(base::Mutant::peek_words_late);
    if (!words_late) load_words(store, unit, words, image);
    image.version = 0;
    const uint32_t all = store.word_count(unit);
    for (uint32_t i = 0; i < all; ++i)
      image.version = std::max(image.version, cell.word(i).hi.load_relaxed());
    base::acquire_fence();  // [word]
    uint64_t position = 0;
    const Verdict verdict = judge_lock(store, state, from, position);
    if (verdict == Verdict::look_again && round > kIdleRoundsMax) return;
    if (verdict == Verdict::look_again) continue;
    if (words_late) load_words(store, unit, words, image);
    if (verdict == Verdict::take_body && !overlay_body(store, state, unit, position, image))
      continue;
    if (cell.state.load_acquire() == state) return;  // [release]
  }
}

WordImage peek_word(const Store& store, Unit unit, uint32_t word) {
  Cell& cell = store.cell(unit);
  const uint64_t state = cell.state.load_acquire();  // [release]
  if (!is_reference(state)) {
    const WordImage image{cell.word(word).lo.load_relaxed(), cell.word(word).hi.load_relaxed()};
    base::acquire_fence();  // [lock]
    if (cell.state.load_relaxed() == state) return image;
  }
  CellImage image;
  peek_cell(store, unit, word + 1, image);
  return {image.value[word], image.word_version[word]};
}

}  // namespace casbook::commit
