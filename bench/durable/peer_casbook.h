// casbook as one of the peers; `payments`: ids that its book holds.
#pragma once

#include "durable/peer.h"
#include "served/served_book.h"

namespace casbook::bench {

std::unique_ptr<Peer> make_casbook(uint64_t payments);

}  // namespace casbook::bench
