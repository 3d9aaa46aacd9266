#include "daemon/metrics.h"

#include <chrono>
#include <exception>
#include <thread>

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

#include "daemon/figures.h"
#include "daemon/loopback_address.h"

namespace casbook::daemon {

namespace {

class BookFigures final : public prometheus::Collectable {
 public:
  BookFigures(const Book& book, const arena::Mapping& mapping)
      : book_(book), mapping_(mapping), name_(book.status().name) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    return figures_of(name_, book_.activity(), mapping_);
  }

 private:
  const Book& book_;
  const arena::Mapping& mapping_;
  std::string name_;
};

}  // namespace

MetricsServer::MetricsServer() = default;

MetricsServer::~MetricsServer() {
  if (!exposer_) return;
  // The web server looks every two seconds whether it has to stop, or when somebody connects.
  const std::jthread waker([this, port = port()](const std::stop_token& stop) {
    for (; !stop.stop_requested(); std::this_thread::sleep_for(std::chrono::milliseconds(5)))
      knock({host_, static_cast<uint16_t>(port)});
  });
  exposer_.reset();
}

Result<std::unique_ptr<MetricsServer>> MetricsServer::open(const std::string& address,
                                                           const Book& book,
                                                           const arena::Mapping& mapping) {
  const auto parsed = parse_loopback_address(address);
  if (!parsed)
    return Error{.code = Code::bad_argument,
                 .detail =
                     "metrics.address: expected one of the loopback interface, like "
                     "127.0.0.1:9464, got " +
                     address};
  std::unique_ptr<MetricsServer> server(new MetricsServer);
  server->host_ = parsed->host;
  // Its web server says why in words of its own only, and on standard error.
  if (auto able = try_to_listen(*parsed); !able) return able.error();
  try {
    server->exposer_ =
        std::make_unique<prometheus::Exposer>(parsed->host + ":" + std::to_string(parsed->port), 1);
  } catch (const std::exception& failure) {
    return Error{.code = Code::io_error,
                 .detail = "metrics.address " + address + ": " + failure.what()};
  }
  server->figures_ = std::make_shared<BookFigures>(book, mapping);
  server->exposer_->RegisterCollectable(server->figures_);
  return server;
}

int MetricsServer::port() const {
  const auto ports = exposer_->GetListeningPorts();
  return ports.empty() ? 0 : ports.front();
}

}  // namespace casbook::daemon
