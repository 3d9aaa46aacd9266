// Comma-separated text as RFC 4180 has it: quoted fields may hold commas, line ends and, doubled,
// quotes. Lines end with LF or CR LF; a byte order mark is passed over, empty lines are no records.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <vector>

namespace casbook::cli {

struct CsvRecord {
  uint64_t line = 0;                     // of its first byte, from 1
  std::vector<std::string_view> fields;  // valid until the next record is read
  const char* problem = nullptr;         // why its fields are not to be trusted, if so
};

class CsvReader {
 public:
  // The text has to live as long as the reader.
  explicit CsvReader(std::string_view text);

  // False at the end. A stray quote spoils its record only; one that is opened and never closed
  // swallows all that follows, which is_cut_short() tells.
  bool next(CsvRecord& record);
  bool is_cut_short() const { return is_cut_short_; }

 private:
  std::string_view read_field(CsvRecord& record);
  std::string_view read_quoted(CsvRecord& record);
  std::string_view read_bare(CsvRecord& record);
  bool try_take_line_end();

  std::string_view rest_;
  uint64_t line_ = 1;
  std::list<std::string> unescaped_;  // fields of the record that are no part of the text
  bool is_cut_short_ = false;
};

// As a field of such a text: quoted where it has to be.
std::string csv_field(std::string_view text);

}  // namespace casbook::cli
