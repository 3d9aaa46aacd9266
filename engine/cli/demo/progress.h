// What is seen while the demo runs: on a terminal one line that moves, else a line per second.
#pragma once

#include <string>

#include "cli/demo/board.h"

namespace casbook::cli::demo {

class Progress {
 public:
  // Silent: for programs, which read only the end.
  Progress(const Board& board, bool is_silent);

  // A step before or after the run, or an incident: a line of its own.
  void say(const std::string& text);
  // The run begins; lines carry the time since then.
  void start();
  // Called often; draws when it is time to.
  void draw();
  // The moving line is done with.
  void finish();

 private:
  std::string line(int64_t now);

  const Board& board_;
  const bool is_silent_, is_terminal_;
  bool is_line_open_ = false;
  int64_t start_ns_ = 0, drawn_ns_ = 0;
  uint64_t paid_drawn_ = 0;
};

}  // namespace casbook::cli::demo
