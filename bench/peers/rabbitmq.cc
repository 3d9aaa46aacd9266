// RabbitMQ: one token in a durable queue; who has got it may pay. The money lies in PostgreSQL. As
// it is usually written the token is acknowledged when it is got and published again at the end; in
// the safe form it stays unacknowledged, so that the server puts it back when the connection is
// lost, is rejected back at the end, and the id is unique. There is no fence that the money could
// ask for.
#include <amqp.h>
#include <amqp_tcp_socket.h>

#include "peers/designs.h"
#include "peers/pause.h"
#include "peers/postgres_store.h"

namespace casbook::peers {
namespace {

constexpr const char* kVariable = "CASBOOK_PEER_RABBITMQ";
constexpr amqp_channel_t kChannel = 1;

amqp_bytes_t bytes_of(const std::string& text) {
  return {text.size(), const_cast<char*>(text.data())};
}

class Channel {
 public:
  // `heartbeat_s`: 0: none. The library sends them only when it is called.
  Channel(std::string queue, int heartbeat_s)
      : server_(endpoint(kVariable)), queue_(std::move(queue)), heartbeat_s_(heartbeat_s) {
    open();
  }
  ~Channel() { close(); }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  bool is_open() const { return is_open_; }
  bool open() {
    close();
    state_ = amqp_new_connection();
    amqp_socket_t* socket = amqp_tcp_socket_new(state_);
    is_open_ = socket && amqp_socket_open(socket, server_.host.c_str(), server_.port) == 0 &&
               is_normal(amqp_login(state_, "/", 0, AMQP_DEFAULT_FRAME_SIZE, heartbeat_s_,
                                    AMQP_SASL_METHOD_PLAIN, "guest", "guest"));
    if (!is_open_) return false;
    amqp_channel_open(state_, kChannel);
    return is_open_ = is_normal(amqp_get_rpc_reply(state_));
  }
  // An empty, durable queue with one token.
  bool make() {
    amqp_queue_delete(state_, kChannel, bytes_of(queue_), 0, 0);
    amqp_queue_declare(state_, kChannel, bytes_of(queue_), 0, 1, 0, 0, amqp_empty_table);
    return is_normal(amqp_get_rpc_reply(state_)) && publish() && round();
  }
  void remove() {
    if (is_open_) amqp_queue_delete(state_, kChannel, bytes_of(queue_), 0, 0);
  }
  bool publish() {
    amqp_basic_properties_t persistent{};
    persistent._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
    persistent.delivery_mode = 2;
    return amqp_basic_publish(state_, kChannel, amqp_empty_bytes, bytes_of(queue_), 0, 0,
                              &persistent, amqp_cstring_bytes("t")) == AMQP_STATUS_OK;
  }
  enum class Got { token, nothing, error };
  Got get(bool is_acknowledged) {
    amqp_maybe_release_buffers(state_);
    const amqp_rpc_reply_t reply =
        amqp_basic_get(state_, kChannel, bytes_of(queue_), is_acknowledged);
    if (!is_normal(reply)) return Got::error;
    if (reply.reply.id != AMQP_BASIC_GET_OK_METHOD) return Got::nothing;
    tag_ = static_cast<amqp_basic_get_ok_t*>(reply.reply.decoded)->delivery_tag;
    amqp_message_t message;
    if (!is_normal(amqp_read_message(state_, kChannel, &message, 0))) return Got::error;
    amqp_destroy_message(&message);
    return Got::token;
  }
  bool put_back() { return amqp_basic_nack(state_, kChannel, tag_, 0, 1) == AMQP_STATUS_OK; }
  bool round() {
    amqp_maybe_release_buffers(state_);
    amqp_queue_declare(state_, kChannel, bytes_of(queue_), 1, 0, 0, 0, amqp_empty_table);
    return is_normal(amqp_get_rpc_reply(state_));
  }

 private:
  static bool is_normal(const amqp_rpc_reply_t& reply) {
    return reply.reply_type == AMQP_RESPONSE_NORMAL;
  }
  void close() {
    if (state_) amqp_destroy_connection(state_);
    state_ = nullptr;
    is_open_ = false;
  }

  Endpoint server_;
  std::string queue_;
  int heartbeat_s_;
  amqp_connection_state_t state_ = nullptr;
  uint64_t tag_ = 0;
  bool is_open_ = false;
};

class RabbitCaller : public PostgresCaller {
 public:
  RabbitCaller(const About& about, const Shape& shape)
      : PostgresCaller(about.name),
        is_safe_(about.form == Form::safe),
        shape_(shape),
        channel_("casbook-" + about.name,
                 is_safe_ ? static_cast<int>(std::max<int64_t>(1, shape.ttl_ms / 2000)) : 0) {}

  bool open() {
    return channel_.is_open() && store_.open() && (!is_safe_ || store_.set_limits(shape_));
  }
  Answer pay(const Transfer& transfer, const StepHook& hook) override {
    if (!lock()) return Answer::busy;
    const Answer answer = pay_locked(transfer, hook);
    return unlock() || answer == Answer::paid ? answer : Answer::failed;
  }
  bool lock_unlock(uint32_t, uint32_t) override { return lock() && unlock(); }
  bool floor_round() override { return channel_.round() || channel_.open(); }

 private:
  bool lock() {
    for (Polling polling(shape_.patience_ms);;) {
      const Channel::Got got = channel_.get(!is_safe_);
      if (got == Channel::Got::token) return true;
      // A connection that was idle for too long is closed, with nothing held: another one.
      if (got == Channel::Got::error && !channel_.open()) return false;
      if (got == Channel::Got::nothing && !polling.wait()) return false;
    }
  }
  bool unlock() { return is_safe_ ? channel_.put_back() : channel_.publish(); }

  Answer pay_locked(const Transfer& transfer, const StepHook& hook) {
    hook(Step::locked);
    if (store_.is_noted(transfer.id)) return Answer::replayed;
    const int64_t from = store_.funds(transfer.from), to = store_.funds(transfer.to);
    if (from < transfer.amount) return Answer::refused;
    hook(Step::checked);
    if (!store_.is_done("begin")) return Answer::failed;
    if (!store_.is_done("set", {transfer.from, from - transfer.amount}))
      return store_.give_up(Answer::failed);
    hook(Step::half_moved);
    if (!store_.is_done("set", {transfer.to, to + transfer.amount}))
      return store_.give_up(Answer::failed);
    hook(Step::moved);
    if (const Rows noted = store_.note(transfer); !noted.is_done)
      return store_.give_up(noted.state == kUniqueViolation ? Answer::replayed : Answer::failed);
    hook(Step::noted);
    return store_.is_done("commit") ? Answer::paid : Answer::failed;
  }

  bool is_safe_;
  const Shape& shape_;
  Channel channel_;
};

About about_of(Form form) {
  const bool is_safe = form == Form::safe;
  return {.name = is_safe ? "rabbitmq-unacknowledged" : "rabbitmq-token",
          .group = Group::queue,
          .form = form,
          .is_durable = true,
          .uses_ttl = is_safe,
          .floor = "one round trip (a queue declared that is there)",
          .store = "PostgreSQL",
          .work = is_safe
                      ? "one token for the whole book, unacknowledged while it is held; the id "
                        "unique"
                      : "one token for the whole book, acknowledged when got, published again at "
                        "the end",
          .death = is_safe ? "the server, when the connection closes or misses its heartbeats"
                           : "nobody: the token is gone with its holder"};
}

class RabbitMq : public Design {
 public:
  explicit RabbitMq(Form form) : Design(about_of(form)) {}
  ~RabbitMq() override {
    if (is_made_by_ != getpid()) return;
    Channel("casbook-" + about().name, 0).remove();
    PostgresStore(about().name).drop();
  }
  std::unique_ptr<Caller> connect() override {
    auto caller = std::make_unique<RabbitCaller>(about(), shape());
    if (!caller->open()) return nullptr;
    return caller;
  }

 private:
  std::string make() override {
    const Endpoint server = endpoint(kVariable);
    if (!server.why.empty()) return server.why;
    std::string why = PostgresStore(about().name).make(shape(), about().form == Form::safe);
    if (!why.empty()) return "the money's PostgreSQL: " + why;
    Channel channel("casbook-" + about().name, 0);
    if (!channel.is_open()) return "no RabbitMQ at " + endpoint_text(kVariable);
    is_made_by_ = getpid();
    return channel.make() ? "" : "the token could not be put into its queue";
  }

  pid_t is_made_by_ = 0;
};

}  // namespace

std::unique_ptr<Design> make_rabbitmq_token() { return std::make_unique<RabbitMq>(Form::usual); }
std::unique_ptr<Design> make_rabbitmq_unacknowledged() {
  return std::make_unique<RabbitMq>(Form::safe);
}

}  // namespace casbook::peers
