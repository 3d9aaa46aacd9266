// Kinds of arguments: how each is read, and what is said about a wrong one.
//
// A check answers before anything is done, with the name of the argument and what was expected.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <CLI/CLI.hpp>

#include <casbook/types.h>

namespace casbook::cli {

// The positional BOOK.
void add_book(CLI::App& command, std::string& book);
// An account or payment id: 1 to 40 bytes. Positional unless `name` begins with dashes.
CLI::Option* add_id(CLI::App& command, const std::string& name, std::string& id,
                    const std::string& purpose);
// A whole number in decimal digits.
CLI::Option* add_whole_number(CLI::App& command, const std::string& name, uint64_t& number,
                              const std::string& purpose);
CLI::Option* add_position(CLI::App& command, const std::string& name, Position& position,
                          const std::string& purpose);
// "24h", "90m", "30s", "500ms".
CLI::Option* add_duration(CLI::App& command, const std::string& name,
                          std::chrono::milliseconds& duration, const std::string& purpose);
// An amount keeps its text until the scale of its ledger is known.
CLI::Option* add_amount(CLI::App& command, const std::string& name, std::string& amount,
                        const std::string& purpose);

// Precondition: add_id() checked the text.
AccountId account_id(const std::string& text);
PaymentId payment_id(const std::string& text);

}  // namespace casbook::cli
