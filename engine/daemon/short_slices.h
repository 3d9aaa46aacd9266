// Little processor time at once and soon, for threads that callers wait for on processors that
// others keep busy. A kernel before 6.12 knows no slices, and then nothing changes.
#pragma once

namespace casbook::daemon {

// Of the calling thread.
void ask_for_short_slices();

}  // namespace casbook::daemon
