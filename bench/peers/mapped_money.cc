#include "peers/mapped_money.h"

#include <bit>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "floor.h"

namespace casbook::peers {
namespace {

constexpr const char* kNone = "";

// In /dev/shm, without a name. What is in the way.
const char* map_shared(uint64_t bytes, void*& memory) {
  const std::string path = "/dev/shm/casbook-peers-" + std::to_string(getpid());
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return std::strerror(errno);
  unlink(path.c_str());
  const char* why = kNone;
  if (const int error = posix_fallocate(fd, 0, static_cast<off_t>(bytes)))
    why = std::strerror(error);
  else
    memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (why == kNone && memory == MAP_FAILED) why = std::strerror(errno);
  close(fd);
  return why;
}

}  // namespace

MappedMoney::~MappedMoney() {
  if (rows_) munmap(rows_, bytes_);
}

std::string MappedMoney::make(const Shape& shape) {
  accounts_ = shape.accounts;
  slots_ = std::bit_ceil(shape.payments * 2);
  shift_ = 64 - std::countr_zero(slots_);
  bytes_ = accounts_ * sizeof(Row) + slots_ * sizeof(base::AtomicU64);
  void* memory = nullptr;
  if (const char* why = map_shared(bytes_, memory); why != kNone)
    return std::string("no shared memory: ") + why;
  rows_ = static_cast<Row*>(memory);
  ids_ = reinterpret_cast<base::AtomicU64*>(rows_ + accounts_);
  for (uint64_t i = 0; i < accounts_; ++i)
    rows_[i].funds.store_relaxed(static_cast<uint64_t>(shape.funds));
  return {};
}

void MappedMoney::touch_pages() const {
  bench::touch_for_writing(reinterpret_cast<std::byte*>(rows_), bytes_);
}

bool MappedMoney::is_noted(uint64_t id) const {
  for (uint64_t i = slot_of(id), probes = 0; probes < slots_; ++probes, i = (i + 1) % slots_) {
    const uint64_t seen = ids_[i].load_acquire();  // [money]
    if (seen == id) return true;
    if (seen == 0) return false;
  }
  return false;
}

bool MappedMoney::note(uint64_t id) const {
  for (uint64_t i = slot_of(id), probes = 0; probes < slots_; ++probes) {
    const uint64_t seen = ids_[i].load_relaxed();
    if (seen == id) return false;
    if (seen == 0 && ids_[i].cas_acq_rel(0, id)) return true;  // [money]
    if (seen != 0) i = (i + 1) % slots_;
  }
  return false;
}

void MappedMoney::forget() const { std::memset(static_cast<void*>(ids_), 0, slots_ * 8); }

Audit MappedMoney::audit() const {
  Audit audit;
  for (uint32_t i = 0; i < accounts_; ++i) audit.funds += funds(i);
  for (uint64_t i = 0; i < slots_; ++i) audit.noted += ids_[i].load_relaxed() != 0;
  return audit;
}

void MappedMoney::intend(const Transfer& transfer) const {
  Row& from = rows_[transfer.from];
  Row& to = rows_[transfer.to];
  from.intent_other.store_release(transfer.to);  // [money]
  from.intent_funds.store_release(static_cast<uint64_t>(funds(transfer.from) - transfer.amount));
  to.intent_other.store_release(transfer.from);
  to.intent_funds.store_release(static_cast<uint64_t>(funds(transfer.to) + transfer.amount));
  from.intent_id.store_release(transfer.id);
  to.intent_id.store_release(transfer.id);
}

void MappedMoney::clear_intent(const Transfer& transfer) const {
  rows_[transfer.from].intent_id.store_release(0);  // [money]
  rows_[transfer.to].intent_id.store_release(0);
}

int64_t MappedMoney::intent_of(uint32_t account) const {
  const Row& row = rows_[account];
  if (row.intent_id.load_acquire() == 0) return -1;  // [money]
  return static_cast<int64_t>(row.intent_other.load_relaxed());
}

void MappedMoney::finish_intent(uint32_t account, uint32_t other) const {
  Row& own = rows_[account];
  Row& partner = rows_[other];
  const uint64_t id = own.intent_id.load_acquire();  // [money]
  if (partner.intent_id.load_acquire() == id) {
    own.funds.store_release(own.intent_funds.load_relaxed());
    partner.funds.store_release(partner.intent_funds.load_relaxed());
    note(id);
    partner.intent_id.store_release(0);
  }
  own.intent_id.store_release(0);
}

}  // namespace casbook::peers
