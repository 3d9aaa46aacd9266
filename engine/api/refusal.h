// Up to where a refusal looked, so that a caller can hold it back until that is safe.
#pragma once

#include <utility>

#include "api/core.h"

namespace casbook::api {

// The position of the last commit is set where the book's content was the cause and no position is
// there yet: everything that the refusal can have seen stands at or before it, since it is read
// after the judgement. Arguments, a shut gate and a full ring are no content. Cost: a record read.
Error at_its_position(const Core& core, Error refusal);

// quarantined: this book was found to be another than the cluster's, so what it says is not told.
Error diverged(const Core& core);

template <class T>
Result<T> judged(const Core& core, Result<T> answer) {
  if (core.has_diverged()) return diverged(core);
  if (answer) return answer;
  return at_its_position(core, answer.error());
}

}  // namespace casbook::api
