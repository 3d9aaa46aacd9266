// The error table as functions.
#include <casbook/result.h>

namespace casbook {
namespace {

struct Row {
  const char* name;
  const char* text;
  Code code;
  bool is_final;
};

constexpr Row kRows[] = {
#define CASBOOK_CODE(name, number, final, text) {#name, text, Code::name, final},
    CASBOOK_CODES(CASBOOK_CODE)
#undef CASBOOK_CODE
};

constexpr bool numbers_ascend() {
  unsigned last = 0;
  for (const Row& row : kRows) {
    if (static_cast<unsigned>(row.code) <= last) return false;
    last = static_cast<unsigned>(row.code);
  }
  return true;
}
static_assert(numbers_ascend(), "a number is used twice, or a code stands out of its order");

// Null for a number outside the table.
const Row* find(Code code) {
  for (const Row& row : kRows) {
    if (row.code == code) return &row;
  }
  return nullptr;
}

}  // namespace

const char* code_name(Code code) {
  const Row* row = find(code);
  return row ? row->name : "unknown";
}

const char* code_text(Code code) {
  const Row* row = find(code);
  return row ? row->text : "unknown";
}

// A payment id makes asking again harmless, giving up is not: an unknown code is not final.
bool code_is_final(Code code) {
  const Row* row = find(code);
  return row && row->is_final;
}

std::string Error::message() const {
  const Row* row = find(code);
  std::string out = row ? row->name : "unknown code " + std::to_string(static_cast<unsigned>(code));
  if (row) out.append(": ").append(row->text);
  if (!detail.empty()) out.append(" (").append(detail).append(")");
  return out;
}

}  // namespace casbook
