// What the shared library shows. It is compiled with hidden visibility, so that a name without this
// mark cannot be linked against by accident and never becomes part of the interface.
#pragma once

#define CASBOOK_EXPORT __attribute__((visibility("default")))
