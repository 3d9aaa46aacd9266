#include "cli/csv.h"

#include <algorithm>

namespace casbook::cli {

namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

CsvReader::CsvReader(std::string_view text) : rest_(text) {
  if (rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
}

bool CsvReader::try_take_line_end() {
  const size_t bytes = rest_.starts_with("\r\n") ? 2 : rest_.starts_with('\n') ? 1 : 0;
  rest_.remove_prefix(bytes);
  line_ += bytes != 0;
  return bytes != 0;
}

bool CsvReader::next(CsvRecord& record) {
  record.fields.clear();
  record.problem = nullptr;
  unescaped_.clear();
  while (try_take_line_end()) {
  }
  record.line = line_;
  if (rest_.empty()) return false;
  for (;;) {
    record.fields.push_back(read_field(record));
    if (rest_.empty() || try_take_line_end()) return true;
    rest_.remove_prefix(1);  // a comma: nothing else ends a field
  }
}

std::string_view CsvReader::read_field(CsvRecord& record) {
  return rest_.starts_with('"') ? read_quoted(record) : read_bare(record);
}

std::string_view CsvReader::read_bare(CsvRecord& record) {
  size_t end = std::min(rest_.find_first_of(",\n"), rest_.size());
  const bool is_before_line_end = end < rest_.size() && rest_[end] == '\n';
  if (is_before_line_end && end > 0 && rest_[end - 1] == '\r') --end;
  const std::string_view field = rest_.substr(0, end);
  if (field.find('"') != field.npos) record.problem = "a quote inside a field that is not quoted";
  rest_.remove_prefix(end);
  return field;
}

std::string_view CsvReader::read_quoted(CsvRecord& record) {
  std::string& field = unescaped_.emplace_back();
  rest_.remove_prefix(1);
  for (;;) {
    const size_t quote = rest_.find('"');
    const std::string_view piece = rest_.substr(0, quote);
    field += piece;
    line_ += static_cast<uint64_t>(std::count(piece.begin(), piece.end(), '\n'));
    if (quote == rest_.npos) {
      is_cut_short_ = true;
      record.problem = "a quote is opened and never closed";
      rest_ = {};
      return field;
    }
    rest_.remove_prefix(quote + 1);
    if (!rest_.starts_with('"')) break;
    field += '"';
    rest_.remove_prefix(1);
  }
  if (!read_bare(record).empty()) record.problem = "text after the closing quote of a field";
  return field;
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return std::string(text);
  std::string field = "\"";
  for (const char c : text) field += c == '"' ? std::string("\"\"") : std::string(1, c);
  return field + '"';
}

}  // namespace casbook::cli
