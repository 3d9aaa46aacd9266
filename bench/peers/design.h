// The lock designs and ledgers that people use, behind one interface: what bench_peers times and
// the torture kills. Each makes the same payment: takes the lock of both accounts (in the order of
// their numbers), looks whether the id is noted, checks the funds, moves the money, notes the id,
// releases.
//
// A Design is made and started in one process; that or processes forked from it connect() callers.
// A Caller belongs to the process and thread that connected it. What callers share survives the
// death of any of them as far as the design itself provides for it, and no further.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace casbook::peers {

// Where a caller's process may be stopped or killed, in this order within each payment. Where the
// design does several of these at once, in its server or in one commit, the call comes before for
// `locked`, `checked` and `half_moved`, and after for `moved` and `noted`: each is called once for
// a payment that is paid, for others up to where it ended.
enum class Step : uint8_t {
  locked,      // holds the lock of both accounts
  checked,     // has seen that the id is new and the funds are there
  half_moved,  // has written one of both balances
  moved,       // has written both balances, as far as others may see that yet
  noted,       // has noted the id; the lock is not released yet
};
constexpr uint32_t kSteps = 5;

// Called at each step. Empty in the bench: a branch that is always predicted.
struct StepHook {
  void (*at)(void* context, Step step) = nullptr;
  void* context = nullptr;
  void operator()(Step step) const {
    if (at) at(context, step);
  }
};

struct Transfer {
  uint64_t id = 0;            // never 0; a retry has the same id and the same content
  uint32_t from = 0, to = 0;  // different, below Shape::accounts
  int64_t amount = 1;         // positive
};

enum class Answer : uint8_t {
  paid,
  replayed,  // the id was noted before; nothing was done now
  refused,   // the funds are not there
  busy,    // the lock was not had in time, or known to be lost before the payment: nothing was done
  failed,  // whether it was done is not known: an error of the system or the server
};

struct Audit {
  int64_t funds = 0;   // of all accounts
  uint64_t noted = 0;  // ids
  bool operator==(const Audit&) const = default;
};

// One caller, or one connection to a server. Not thread-safe.
class Caller {
 public:
  virtual ~Caller() = default;

  virtual Answer pay(const Transfer& transfer, const StepHook& hook) = 0;
  // Takes the lock of both accounts and gives it back. False: not had, or the design has no lock
  // that is apart from the payment (About::has_lock).
  virtual bool lock_unlock(uint32_t a, uint32_t b) = 0;

  // The least that a payment of this kind costs, About::floor says what. False: failed.
  virtual bool floor_round() = 0;

  // For the checker, and for whoever fills an account; no lock is taken. -1: cannot be read.
  virtual int64_t funds(uint32_t account) = 0;
  virtual bool is_noted(uint64_t id) = 0;
  // While nobody pays. Nothing: {-1, 0}.
  virtual Audit audit() = 0;
};

enum class Group : uint8_t {
  in_process,     // the heap of one process
  shared_memory,  // mapped by several, locks in it
  shared_file,    // mapped by several, locks of the file system
  queue,
  redis,
  database,
  zookeeper,
  etcd,
  casbook,
};

// How far the design is as safe as it can be made; the others are there to be understood.
enum class Form : uint8_t {
  usual,    // as it is written in most places
  safe,     // its best-known safe form
  control,  // a safe form with its safety taken out: only for the torture to show that it sees that
};

struct About {
  std::string
      name;  // "redis-token": words of the design and its form, unique; with "-durable" apart
  Group group = Group::in_process;
  Form form = Form::usual;
  bool is_durable = false;      // a payment is on disk when it is answered
  bool is_one_process = false;  // callers are threads of the process that started it
  bool has_lock = true;         // apart from the payment
  bool uses_ttl = false;        // Shape::ttl_ms frees the lock of a holder that is stopped
  const char* floor = "";       // of a payment: "one round trip"; empty: only that of the disk
  const char* store = "";       // where the money lies
  const char* work = "";        // one line: how it is done
  const char* death = "";       // one line: who notices a holder's death, and what is left by it
};

struct Shape {
  uint32_t accounts = 1024;
  uint64_t payments = 1'000'000;          // ids that can be noted before forget(), at most
  int64_t funds = 1'000'000'000;          // of each account at the start
  int64_t id_window_ms = 24 * 3'600'000;  // a design that forgets ids by time keeps them so long
  int64_t ttl_ms = 5000;
  int64_t patience_ms = 10'000;  // of a caller who polls for a lock; then he answers `busy`
  std::string folder{};          // for files: exists, is the design's own, removed by the caller
};

class Design {
 public:
  explicit Design(About about) : about_(std::move(about)) {}
  // Ends what it started and removes what it left on servers and in memory.
  virtual ~Design() = default;
  Design(const Design&) = delete;
  Design& operator=(const Design&) = delete;

  const About& about() const { return about_; }
  const Shape& shape() const { return shape_; }

  // Makes and funds the accounts, no ids noted, whatever an earlier run has left. What is in the
  // way (a server that is not there); empty: nothing. Once.
  std::string start(const Shape& shape) {
    shape_ = shape;
    return make();
  }
  // Null: failed.
  virtual std::unique_ptr<Caller> connect() = 0;
  // Forgets the noted ids where their number is limited. While nobody pays.
  virtual void forget() {}
  // What a step of the wall clock by so much does to the locks that are held: the times that are
  // compared with that clock become older by as much. False: there are none.
  virtual bool step_clock(int64_t) { return false; }

 private:
  virtual std::string make() = 0;

  About about_;
  Shape shape_;
};

// In the order of the tables.
struct Listed {
  const char* name;                   // About::name
  std::unique_ptr<Design> (*make)();  // null: built without what it needs
  const char* needs = "";             // "libpq"
};
const std::vector<Listed>& all_designs();
// Null: there is none of that name in this build.
std::unique_ptr<Design> make_design(const std::string& name);

}  // namespace casbook::peers
