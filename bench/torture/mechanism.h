// Why a design's row is what it is: one line, for the report.
#pragma once

#include <string>

namespace casbook::torture {

// By its name without "-durable"; empty: there is nothing to explain.
const char* mechanism_of(std::string name);

}  // namespace casbook::torture
