#include "support/sim_scene.h"

#include "api/book_impl.h"

namespace casbook::test {

SimScene::SimScene(const SimSceneOptions& options)
    : truth_(events_),
      link_(options.link),
      network_(events_, options.seed, options.nodes + options.spares,
               [this](uint64_t to, const std::vector<std::byte>& datagram) {
                 nodes_[to - 1]->receive(datagram);
               }) {
  for (uint64_t id = 1; id <= options.nodes + options.spares; ++id)
    nodes_.push_back(std::make_unique<SimNode>(
        events_, network_, truth_,
        SimNodeOptions{.id = id,
                       .nodes = options.nodes,
                       .seed = options.seed * 100 + id,
                       .entry_bytes_max = options.entry_bytes_max,
                       .is_compacting = options.is_compacting,
                       .directory = directory_.path() + "/" + std::to_string(id)}));
  truth_.set_holds([this](uint64_t node, uint64_t index,
                          uint64_t term) { return nodes_[node - 1]->term_at(index) == term; },
                   [this](uint64_t node, uint64_t index, uint64_t term) {
                     return nodes_[node - 1]->has_lost(index, term);
                   });
  network_.set_all(link_);
  payers_ = std::make_unique<SimPayers>(
      events_, truth_, nodes_,
      SimPayersOptions{
          .payments_max = 3, .clients = 2, .have_sleepers = false, .take_leases = false});
  for (auto& node : nodes_) {
    node->set_peers([this](uint64_t other) { return nodes_[other - 1].get(); });
    node->start();
  }
  payers_->begin();
  run_until([&] { return payers_->answers().size() >= 2; }, 20);
}

SimNode* SimScene::leader() {
  for (auto& node : nodes_)
    if (node->is_leading()) return node.get();
  return nullptr;
}

uint64_t SimScene::last_index(const SimNode& node) {
  uint64_t index = node.replicator().commit_index();
  while (node.term_at(index + 1) != 0) ++index;
  return index;
}

bool SimScene::run_until(const std::function<bool()>& condition, int64_t seconds) {
  const int64_t until = events_.now() + seconds * kSimSecond;
  while (!condition() && events_.now() < until && events_.run_next()) {
  }
  return condition();
}

void SimScene::run_for(int64_t ns) {
  const int64_t until = events_.now() + ns;
  while (events_.now() < until && events_.run_next()) {
  }
}

void SimScene::cut_off(const std::set<uint64_t>& side) {
  for (uint64_t from = 1; from <= nodes_.size(); ++from)
    for (uint64_t to = 1; to <= nodes_.size(); ++to)
      if (side.contains(from) != side.contains(to)) network_.cut(from, to);
}

void SimScene::pay(SimNode& node, int bursts, uint64_t burst_size, int64_t pause_ns) {
  auto core = api::open_core(node.directory(), SimBook::kName, arena::Access::read_write);
  if (!core) return;
  auto session = BookAccess::wrap(*core).open_session();
  const auto from = (*core)->accounts.find({*ExternalId::parse("account 0")});
  const auto to = (*core)->accounts.find({*ExternalId::parse("account 1")});
  if (!session || !from || !to) return;
  for (int burst = 0; burst < bursts; ++burst) {
    for (uint64_t i = 0; i < burst_size; ++i)
      (void)session->pay(Payment({ExternalId::of_number(++paid_)}).debit(*from, 1).credit(*to, 1));
    node.demand();
    run_for(pause_ns);
  }
}

}  // namespace casbook::test
