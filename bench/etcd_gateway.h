// etcd's JSON gateway: keys and values in base64, numbers as texts.
#pragma once

#include <cstdint>
#include <string>

#include <curl/curl.h>
#include <nlohmann/json.hpp>

namespace casbook::bench {

using nlohmann::json;

inline std::string base64(const std::string& text) {
  constexpr const char* kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < text.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k)
      out += i + k <= text.size() ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

inline std::string from_base64(const std::string& text) {
  std::string out;
  uint32_t bits = 0, count = 0;
  for (const char c : text) {
    if (c == '=') break;
    const uint32_t digit = c >= 'a'   ? static_cast<uint32_t>(c - 'a') + 26
                           : c >= 'A' ? static_cast<uint32_t>(c - 'A')
                           : c >= '0' ? static_cast<uint32_t>(c - '0') + 52
                           : c == '+' ? 62
                                      : 63;
    bits = bits << 6 | digit;
    if ((count += 6) >= 8) out += static_cast<char>(bits >> (count -= 8) & 0xff);
  }
  return out;
}

// Requests over one connection that stays open.
class Gateway {
 public:
  // HOST:PORT
  explicit Gateway(const std::string& address)
      : handle_(curl_easy_init()), url_("http://" + address + "/v3/") {
    curl_easy_setopt(handle_, CURLOPT_WRITEFUNCTION, &Gateway::take);
    curl_easy_setopt(handle_, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(handle_, CURLOPT_TIMEOUT_MS, 10'000L);
    curl_easy_setopt(handle_, CURLOPT_NOSIGNAL, 1L);
  }
  ~Gateway() { curl_easy_cleanup(handle_); }
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // An empty object: it failed.
  json ask(const char* what, const json& request) {
    const std::string body = request.dump(), url = url_ + what;
    answer_.clear();
    curl_easy_setopt(handle_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle_, CURLOPT_POSTFIELDS, body.c_str());
    curl_easy_setopt(handle_, CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
    long status = 0;
    if (curl_easy_perform(handle_) != CURLE_OK) return json::object();
    curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    const json answer = status == 200 ? json::parse(answer_, nullptr, false) : json{};
    return answer.is_object() ? answer : json::object();
  }

 private:
  static size_t take(char* data, size_t size, size_t count, void* gateway) {
    static_cast<Gateway*>(gateway)->answer_.append(data, size * count);
    return size * count;
  }

  CURL* handle_;
  std::string url_, answer_;
};

}  // namespace casbook::bench
