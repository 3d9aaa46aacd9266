// Rows as Markdown and as JSON.
#pragma once

#include "torture/tally.h"

namespace casbook::torture {

void print_report(const std::vector<Row>& rows, const Effort& effort);
bool write_json(const std::string& path, const std::vector<Row>& rows, const Effort& effort);

}  // namespace casbook::torture
