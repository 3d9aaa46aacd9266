// "10.0.0.1:7400".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <netinet/in.h>

#include <casbook/result.h>

namespace casbook::replicate {

// An IPv4 address in numbers and a port other than 0; nothing is looked up. bad_argument: the
// detail begins with `field`.
Result<sockaddr_in> parse_udp_address(std::string_view field, std::string_view text);
// The same, and of a group: 224.0.1.0 to 239.255.255.255. Below that routers keep their own.
Result<sockaddr_in> parse_group_address(std::string_view field, std::string_view text);
std::string text_of(const sockaddr_in& address);

}  // namespace casbook::replicate
