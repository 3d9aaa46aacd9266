// Little processor time at once and soon, for threads that callers wait for on processors that
// others keep busy. A kernel before 6.12 knows no slices, and then nothing changes.
#pragma once

namespace casbook::daemon {

// answers: somebody waits for each thing it does. work: it lets those that answer go first, and
// never takes the processor from one that runs.
enum class Haste { answers, work };

// Of the calling thread.
void ask_for_short_slices(Haste haste);

}  // namespace casbook::daemon
