// What Redis answers. Each takes the reply and frees it.
#pragma once

#include <string>

#include <hiredis/hiredis.h>

namespace casbook::bench {

// Empty: nothing, or an error.
inline std::string text_of(void* raw) {
  auto* reply = static_cast<redisReply*>(raw);
  if (!reply) return {};
  std::string said;
  if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
    said.assign(reply->str, static_cast<size_t>(reply->len));
  freeReplyObject(reply);
  return said;
}

// -1: no number.
inline long long number_of(void* raw) {
  auto* reply = static_cast<redisReply*>(raw);
  const long long said = reply && reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
  freeReplyObject(reply);
  return said;
}

}  // namespace casbook::bench
