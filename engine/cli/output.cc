#include "cli/output.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace casbook::cli {

namespace {

// The first failure of a write to stdout; later ones only follow from it.
int output_failure = 0;

bool note(bool succeeded) {
  if (!succeeded && output_failure == 0) output_failure = errno;
  return output_failure == 0;
}

std::string spelled(std::string_view key) {
  std::string label(key);
  std::replace(label.begin(), label.end(), '_', ' ');
  return label;
}

// Characters, not bytes: UTF-8's continuation bytes take no room.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string padded(const std::string& text, size_t width, Align align) {
  const std::string blanks(width - std::min(width, width_of(text)), ' ');
  return align == Align::right ? blanks + text : text + blanks;
}

// A list of objects takes a line for each.
std::vector<std::string> lines_of(const Json& value) {
  if (!value.is_array() || value.empty() || !value.front().is_object()) return {plain_text(value)};
  std::vector<std::string> lines;
  for (const Json& item : value) lines.push_back(plain_text(item));
  return lines;
}

}  // namespace

bool print(std::string_view text) {
  if (output_failure != 0) return false;
  return note(std::fwrite(text.data(), 1, text.size(), stdout) == text.size());
}

bool flush_output() { return output_failure == 0 && note(std::fflush(stdout) == 0); }

bool finish_output() {
  flush_output();
  if (output_failure == 0 || output_failure == EPIPE) return true;
  print_error(std::string("standard output: ") + std::strerror(output_failure));
  return false;
}

void print_error(std::string_view text) {
  std::fprintf(stderr, "casbook: %.*s\n", static_cast<int>(text.size()), text.data());
}

std::string json_line(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string plain_text(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_null()) return "-";
  if (!value.is_structured()) return value.dump();
  std::string text;
  for (const auto& [key, item] : value.items()) {
    if (!text.empty()) text += value.is_array() ? ", " : " ";
    if (value.is_object()) text += key + "=";
    text += plain_text(item);
  }
  return text.empty() ? "-" : text;
}

void print_object(const Json& object, bool as_json) {
  if (as_json) {
    print(json_line(object));
    return;
  }
  size_t width = 0;
  for (const auto& [key, value] : object.items()) width = std::max(width, key.size());
  for (const auto& [key, value] : object.items()) {
    std::string label = spelled(key);
    for (const std::string& line : lines_of(value)) {
      print(padded(label, width + 2, Align::left) + line + "\n");
      label.clear();
    }
  }
}

Table::Table(std::vector<Column> columns, bool as_json)
    : columns_(std::move(columns)), as_json_(as_json) {}

bool Table::add(const Json& object) {
  if (as_json_) return print(json_line(object));
  std::vector<std::string> row;
  for (const Column& column : columns_) {
    const auto found = object.find(column.key);
    row.push_back(found == object.end() ? "" : plain_text(*found));
  }
  rows_.push_back(std::move(row));
  return true;
}

void Table::finish() {
  if (rows_.empty()) return;
  std::vector<std::string> heading;
  std::vector<size_t> widths;
  for (const Column& column : columns_) {
    heading.push_back(spelled(column.key));
    widths.push_back(heading.back().size());
  }
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  rows_.insert(rows_.begin(), std::move(heading));
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i)
      line += (i == 0 ? "" : "  ") + padded(row[i], widths[i], columns_[i].align);
    line.erase(line.find_last_not_of(' ') + 1);
    print(line + "\n");
  }
  rows_.clear();
}

}  // namespace casbook::cli
