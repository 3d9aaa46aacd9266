// Ids of callers: round trips, and that different ids stay different.
//
// The model of the kinds is written with regular expressions, on purpose not in the manner of the
// engine.
#include <array>
#include <cctype>
#include <regex>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <casbook/types.h>

namespace casbook {
namespace {

using Kind = ExternalId::Kind;
using Words = std::array<uint64_t, 5>;

Kind expected_kind(const std::string& text) {
  static const std::regex number("0|[1-9][0-9]{0,37}");
  static const std::regex uuid("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}");
  if (std::regex_match(text, number)) return Kind::number;
  if (std::regex_match(text, uuid)) return Kind::uuid;
  if (text.empty() || text.size() > 40) return Kind::none;
  for (const char c : text) {
    if (std::iscntrl(static_cast<unsigned char>(c))) return Kind::none;
  }
  return Kind::text;
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

rc::Gen<std::string> digits() {
  return rc::gen::resize(42, rc::gen::container<std::string>(rc::gen::inRange<char>('0', '9' + 1)));
}

rc::Gen<std::string> any_bytes() {
  return rc::gen::resize(44, rc::gen::container<std::string>(rc::gen::arbitrary<char>()));
}

rc::Gen<std::string> printable() {
  return rc::gen::resize(44, rc::gen::container<std::string>(rc::gen::inRange<char>(' ', '~' + 1)));
}

rc::Gen<uint64_t> word() { return rc::gen::resize(100, rc::gen::arbitrary<uint64_t>()); }

rc::Gen<std::string> uuid_of_mixed_case() {
  return rc::gen::exec([] {
    std::string text = ExternalId::of_uuid(*word(), *word()).text();
    for (char& c : text) {
      if (*rc::gen::arbitrary<bool>()) c = static_cast<char>(std::toupper(c));
    }
    return text;
  });
}

rc::Gen<std::string> any_id_text() {
  return rc::gen::oneOf(digits(), uuid_of_mixed_case(), printable(), any_bytes());
}

// The same text with one byte changed, added, dropped, or in the other case.
std::string mutated(std::string text) {
  const auto at = *rc::gen::inRange<size_t>(0, text.size() + 1);
  switch (*rc::gen::inRange(0, 4)) {
    case 0:
      return text.insert(at, 1, *rc::gen::element('0', '1', 'a', 'A', ' ', '-'));
    case 1:
      if (at < text.size()) text.erase(at, 1);
      return text;
    case 2:
      if (at < text.size()) text[at] = *rc::gen::element('0', '1', 'a', 'A', ' ', '-');
      return text;
    default:
      if (at < text.size()) text[at] = static_cast<char>(text[at] ^ 0x20);
      return text;
  }
}

RC_GTEST_PROP(ExternalIdProperty, ParseFollowsTheModel, ()) {
  std::string text = *any_id_text();
  if (*rc::gen::arbitrary<bool>()) text = mutated(text);
  const Kind expected = expected_kind(text);
  const Result<ExternalId> id = ExternalId::parse(text);
  RC_ASSERT(static_cast<bool>(id) == (expected != Kind::none));
  if (!id) return;
  RC_ASSERT(id->kind() == expected);
  RC_ASSERT(id->text() == (expected == Kind::uuid ? lower_case(text) : text));
}

RC_GTEST_PROP(ExternalIdProperty, ParseOfItsTextGivesTheSameId, ()) {
  const Result<ExternalId> id = ExternalId::parse(*any_id_text());
  RC_PRE(static_cast<bool>(id));
  const Result<ExternalId> again = ExternalId::parse(id->text());
  RC_ASSERT(static_cast<bool>(again));
  RC_ASSERT(*again == *id);
  RC_ASSERT(ExternalId::of_words(id->kind(), id->size(), id->words()) == *id);
}

RC_GTEST_PROP(ExternalIdProperty, NumbersAndUuidsComeBackFromTheirText, ()) {
  const uint64_t high = *word();
  const uint64_t low = *word();
  const ExternalId uuid = ExternalId::of_uuid(high, low);
  RC_ASSERT(*ExternalId::parse(uuid.text()) == uuid);
  const ExternalId number = ExternalId::of_number(high % 0x4b3b4ca85a86c47a, low);
  RC_ASSERT(number.kind() == Kind::number);
  RC_ASSERT(*ExternalId::parse(number.text()) == number);
  RC_ASSERT(number != uuid);
}

RC_GTEST_PROP(ExternalIdProperty, NeighbouringTextsAreDifferentIds, ()) {
  const std::string text = *any_id_text();
  const std::string other = mutated(text);
  const Result<ExternalId> a = ExternalId::parse(text);
  const Result<ExternalId> b = ExternalId::parse(other);
  RC_PRE(a && b);
  const bool is_same_uuid =
      a->kind() == Kind::uuid && b->kind() == Kind::uuid && lower_case(text) == lower_case(other);
  RC_ASSERT((*a == *b) == (text == other || is_same_uuid));
}

// Whatever stands in a record: no id, or one that is as good as a parsed one.
RC_GTEST_PROP(ExternalIdProperty, AnyWordsAreNoIdOrACanonicalOne, ()) {
  const auto kind = static_cast<Kind>(*rc::gen::inRange<uint8_t>(0, 6));
  const auto size = *rc::gen::weightedOneOf<uint8_t>(
      {{1, rc::gen::just<uint8_t>(16)}, {2, rc::gen::arbitrary<uint8_t>()}});
  Words words{};
  const auto count = *rc::gen::inRange<size_t>(0, 6);
  for (size_t i = 0; i < count; ++i) words[i] = *word();
  const ExternalId id = ExternalId::of_words(kind, size, words);
  if (id == ExternalId{}) return;
  RC_ASSERT(id.kind() == kind && id.size() == size && id.words() == words);
  RC_ASSERT(*ExternalId::parse(id.text()) == id);
}

RC_GTEST_PROP(ExternalIdProperty, UuidV7GivesTheTimePutIn, ()) {
  const uint64_t time_ms = *word() >> 16;
  const uint64_t random = *word();
  const uint64_t version = *rc::gen::inRange<uint64_t>(0, 16);
  const uint64_t variant = *rc::gen::inRange<uint64_t>(0, 4);
  const ExternalId id = ExternalId::of_uuid(time_ms << 16 | version << 12 | (random & 0xfff),
                                            variant << 62 | random >> 2);
  const bool carries_time = version == 7 && variant == 2;
  RC_ASSERT(id.own_time_ms() == (carries_time ? static_cast<int64_t>(time_ms) : -1));
}

RC_GTEST_PROP(ExternalIdProperty, UlidGivesTheTimePutIn, ()) {
  const std::string alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const uint64_t time_ms = *word() >> 16;
  std::string text;
  for (int shift = 45; shift >= 0; shift -= 5) text += alphabet[time_ms >> shift & 31];
  while (text.size() < 25) text += *rc::gen::elementOf(alphabet);
  text += *rc::gen::elementOf(alphabet.substr(10));  // a letter: 26 digits may be a number
  RC_ASSERT(ExternalId::parse(text)->own_time_ms() == static_cast<int64_t>(time_ms));
}

}  // namespace
}  // namespace casbook
