// What the command prints: for people aligned text, for programs one JSON object per line.
//
// Both come from the same objects, so neither says what the other does not. Amounts, positions and
// ids are strings in them. One thread. A reader that went away (a broken pipe) is no error: what
// was to be done is done, and the exit code says how it went.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace casbook::cli {

using Json = nlohmann::ordered_json;

// To stdout. False: nobody reads any more, or it cannot be written (see finish_output()).
bool print(std::string_view text);
bool flush_output();
// At the very end. False, with a message on stderr: output was lost, and not to a broken pipe.
bool finish_output();

// To stderr: "casbook: " and the text.
void print_error(std::string_view text);

// Ids may hold bytes that are no UTF-8: they are shown as U+FFFD.
std::string json_line(const Json& object);
// A value for people: strings bare, true as yes, null as "-", lists with commas.
std::string plain_text(const Json& value);

// One object: a JSON line, or a line "key  value" for each key.
void print_object(const Json& object, bool as_json);

enum class Align { left, right };

struct Column {
  const char* key;
  Align align = Align::left;
};

// Many objects: a JSON line each, printed at once; or a table of some of their keys, printed by
// finish(), when all widths are known.
class Table {
 public:
  Table(std::vector<Column> columns, bool as_json);
  // False: nobody reads any more.
  bool add(const Json& object);
  void finish();

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
  bool as_json_;
};

}  // namespace casbook::cli
