// Tables as Markdown, figures as JSON.
#pragma once

#include "growth/curve.h"

namespace casbook::growth {

void print_tables(const Curve& curve);

// What draw.py and whoever compares reads. False: it could not be written.
bool write_json(const std::string& path, const std::vector<Curve>& curves, const Effort& effort);

}  // namespace casbook::growth
