#include "base/probe.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include <signal.h>
#include <unistd.h>

namespace casbook::base {
namespace {

constexpr const char* kFaultPointNames[] = {
#define CASBOOK_FAULT_POINT(name, text) #name,
#include "base/fault_points.def"
#undef CASBOOK_FAULT_POINT
};
constexpr const char* kMutantNames[] = {
    "none",
#define CASBOOK_MUTANT(name, text) #name,
#include "base/mutants.def"
#undef CASBOOK_MUTANT
};

}  // namespace

const char* fault_point_name(FaultPoint point) {
  return kFaultPointNames[static_cast<size_t>(point)];
}
const char* mutant_name(Mutant mutant) { return kMutantNames[static_cast<size_t>(mutant)]; }

#ifdef CASBOOK_INSTRUMENTED
namespace {

struct ArmedFault {
  FaultPoint point = FaultPoint::count;
  uint64_t remaining = 0;
  int signal = SIGKILL;
} armed;

void strike(FaultPoint point) {
  if (point != armed.point || armed.remaining == 0 || --armed.remaining != 0) return;
  kill(getpid(), armed.signal);
}

}  // namespace

void arm_fault_from_environment() {
  const char* setting = std::getenv("CASBOOK_FAULT");
  if (!setting || probes.fault) return;
  std::string text = setting;
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  for (size_t i = 0; i < static_cast<size_t>(FaultPoint::count); ++i)
    if (name == kFaultPointNames[i]) armed.point = static_cast<FaultPoint>(i);
  armed.remaining = colon == std::string::npos ? 1 : std::strtoull(&text[colon + 1], nullptr, 10);
  if (text.size() > 5 && text.compare(text.size() - 5, 5, ":stop") == 0) armed.signal = SIGSTOP;
  if (armed.point != FaultPoint::count) probes.fault = strike;
}
#endif

}  // namespace casbook::base
