// The part of a run that is measured: a profiler that waits is told to begin and to end, so that
// what was set up before is not in its picture.
#pragma once

#include <cstdint>
#include <string>

namespace casbook::perf {

class Window {
 public:
  // As `perf record --delay=-1 --control=fifo:COMMANDS,ANSWERS` has it. Empty: nobody waits.
  explicit Window(const std::string& commands = {}, const std::string& answers = {});

  void open() { tell("enable\n"); }
  void close() { tell("disable\n"); }

 private:
  void tell(const char* command);

  int commands_ = -1, answers_ = -1;
};

// A store that a trace of memory accesses shows: between two of them lies what was asked about.
void mark();
// Prints where it stores, "marker ADDRESS"; and where the books of this process are mapped, "book
// FIRST END" each. Hexadecimal.
void print_marker();
void print_books();

}  // namespace casbook::perf
