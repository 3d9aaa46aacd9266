#include "support/scenario.h"

namespace casbook::test {

WorldOptions Stage::default_options() {
  WorldOptions options;
  options.shape = {.sessions = 4, .accounts = 6, .ring = 64, .blocks = 6, .block_bytes = 512};
  options.descriptors = 1;
  return options;
}

Process& Stage::payer(uint32_t session, std::function<void(Payer&)> body) {
  return start(static_cast<int>(session), [this, session, body = std::move(body)] {
    Payer payer(world, session);
    body(payer);
  });
}

Process& Stage::other(std::function<void()> body) { return start(next_id_++, std::move(body)); }

Process& Stage::start(int id, std::function<void()> body) {
  Process& process = world.schedule.spawn(id, std::move(body));
  world.schedule.tell_of_ended(process);
  return process;
}

Process& Stage::helper_of(uint32_t session) {
  return other([this, session] { commit::Executor(world.store()).run_session(session); });
}

void Stage::to_fault(Process& process, base::FaultPoint point, int nth) {
  if (!world.schedule.run_to_fault(process, point, nth))
    world.schedule.fail(std::string("setup: not at ") + base::fault_point_name(point));
}

void Stage::to_cas(Process& process, const void* address, int nth) {
  if (!world.schedule.run_to_cas(process, address, nth)) world.schedule.fail("setup: no such CAS");
}

void Stage::to_access(Process& process, const void* address, int nth) {
  const bool is_there = world.schedule.run_to(
      process, [&](const Site& site) { return site.address == address; }, nth);
  if (!is_there) world.schedule.fail("setup: no such access");
}

void Stage::pay(uint32_t session, uint32_t account, uint64_t count) {
  finish(payer(session, [=](Payer& self) {
    for (uint64_t i = 0; i < count; ++i)
      if (i % 2 == 0)
        self.transfer_set(account, account + 1, 1);
      else
        self.transfer_set(account + 1, account, 1);
  }));
}

void Stage::expect(bool is_right, const std::string& what) {
  if (!is_right) world.schedule.fail(what);
}

}  // namespace casbook::test
