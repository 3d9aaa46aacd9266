// Tables as Markdown: what the program prints can be put into README.md as it is.
#pragma once

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace casbook::bench {

// Three figures that count, and never an exponent.
inline std::string figure(double value) {
  char text[32];
  const int decimals = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
  std::snprintf(text, sizeof(text), "%.*f", decimals, value);
  return text;
}

class Table {
 public:
  using Row = std::vector<std::string>;

  explicit Table(Row head) : rows_{std::move(head)} {}
  void add(Row row) {
    row.resize(rows_[0].size());
    rows_.push_back(std::move(row));
  }
  void print() const {
    for (size_t i = 0; i < rows_.size(); ++i) {
      print(rows_[i]);
      if (i == 0) std::printf("|%s\n", repeated("---|", rows_[0].size()).c_str());
    }
    std::printf("\n");
    std::fflush(stdout);
  }

 private:
  static std::string repeated(const char* text, size_t times) {
    std::string all;
    while (times-- > 0) all += text;
    return all;
  }
  static void print(const Row& row) {
    for (const std::string& cell : row) std::printf("| %s ", cell.c_str());
    std::printf("|\n");
  }

  std::vector<Row> rows_;
};

// What is aimed at: a ratio, at most or at least that.
struct Aim {
  double ratio;
  bool is_limit;  // at most

  std::string text() const { return (is_limit ? "at most " : "at least ") + figure(ratio); }
  std::string verdict(double measured) const {
    return (is_limit ? measured <= ratio : measured >= ratio) ? "met" : "missed";
  }
};

}  // namespace casbook::bench
