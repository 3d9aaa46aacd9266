// Tables as Markdown, figures as JSON.
#pragma once

#include <string>

#include "peers/measure.h"

namespace casbook::peers {

void print_tables(const Results& results, const Effort& effort, bool is_durable);

// What was measured, for scripts/bench and for whoever draws it. False: it could not be written.
bool write_json(const std::string& path, const Results& memory, const Results& durable,
                const Effort& effort);

}  // namespace casbook::peers
