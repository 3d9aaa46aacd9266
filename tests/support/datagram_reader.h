// What a datagram of a cluster says, for those who have its key: tests that look at the wire.
#pragma once

#include <functional>
#include <span>

#include "replicate/wire.h"

namespace casbook::test {

// Each frame, in order; of what is no datagram of that key, none. Frames refer to bytes that end
// with the call.
void for_each_frame(std::span<const std::byte> datagram,
                    const std::function<void(const replicate::Frame&)>& take,
                    const replicate::ClusterKey& key = {});

}  // namespace casbook::test
