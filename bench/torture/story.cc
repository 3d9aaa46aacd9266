#include "torture/story.h"

#include <algorithm>

namespace casbook::torture {

using peers::Step;

const char* name_of(Fault fault) {
  switch (fault) {
    case Fault::reply_lost:
      return "reply-lost";
    case Fault::stop:
      return "stop";
    case Fault::kill:
      return "kill";
    case Fault::clock_forward:
      return "clock-forward";
    case Fault::clock_back:
      return "clock-back";
  }
  return "";
}

const char* name_of(Rival rival) {
  switch (rival) {
    case Rival::retry:
      return "retry";
    case Rival::other:
      return "other";
    case Rival::spend:
      return "spend";
    case Rival::third:
      return "third";
    case Rival::stream:
      return "stream";
  }
  return "";
}

const char* name_of(Step step) {
  switch (step) {
    case Step::locked:
      return "locked";
    case Step::checked:
      return "checked";
    case Step::half_moved:
      return "half-moved";
    case Step::moved:
      return "moved";
    case Step::noted:
      return "noted";
  }
  return "";
}

std::string Story::name() const {
  std::string name = name_of(fault);
  if (step) name += std::string("-") + name_of(*step);
  return name + "-" + name_of(rival);
}

std::vector<Story> all_stories(uint32_t repeats) {
  std::vector<Story> stories;
  for (uint32_t again = 0; again < std::max(1u, repeats / 2); ++again) {
    for (uint32_t i = 0; i < peers::kSteps; ++i) {
      const auto step = static_cast<Step>(i);
      stories.push_back({Fault::kill, Rival::retry, step});
      for (const Rival rival : {Rival::retry, Rival::other, Rival::spend})
        stories.push_back({Fault::stop, rival, step});
    }
    stories.push_back({Fault::stop, Rival::third, Step::noted});
    stories.push_back({Fault::clock_forward, Rival::retry, Step::checked});
    stories.push_back({Fault::clock_forward, Rival::spend, Step::checked});
    stories.push_back({Fault::clock_back, Rival::retry, Step::checked});
  }
  for (uint32_t again = 0; again < repeats; ++again) {
    stories.push_back({Fault::reply_lost, Rival::retry});
    stories.push_back({Fault::kill, Rival::stream});
    stories.push_back({Fault::stop, Rival::stream});
  }
  return stories;
}

}  // namespace casbook::torture
