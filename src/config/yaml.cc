#include "config/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <sstream>

#include "base/text.h"

namespace turnpike::config {

namespace {

/// A comment laid behind the document: yaml-cpp takes the end of the file for the end of an open quoted text, and then
/// this stands inside that text.
constexpr std::string_view kEndMark = "# end of the document, laid behind it to find open quotes";

bool is_digit(char character) {
  return character >= '0' && character <= '9';
}

/// The decimal of a plain scalar in JSON's spelling, or nothing when it is not a number.
std::optional<std::string> number_of(std::string_view text) {
  std::string decimal;
  std::size_t at = 0;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) {
    if (text[at] == '-') decimal += '-';
    ++at;
  }
  if (text.substr(at).starts_with("0x") && text.size() > at + 2 && text.size() <= at + 2 + 15) {
    std::uint64_t value = 0;
    for (const char character : base::to_lower(text.substr(at + 2))) {
      const std::size_t digit = std::string_view("0123456789abcdef").find(character);
      if (digit == std::string_view::npos) return std::nullopt;
      value = value * 16 + digit;
    }
    return decimal + std::to_string(value);
  }
  std::string whole;
  for (; at < text.size() && (is_digit(text[at]) || (text[at] == '_' && !whole.empty())); ++at) {
    if (text[at] != '_') whole += text[at];
  }
  std::string fraction;
  bool point = false;
  if (at < text.size() && text[at] == '.') {
    point = true;
    for (++at; at < text.size() && is_digit(text[at]); ++at) fraction += text[at];
  }
  if (whole.empty() && fraction.empty()) return std::nullopt;
  // "007" is a name people gave something, not a number.
  if (whole.size() > 1 && whole.front() == '0') return std::nullopt;
  decimal += whole.empty() ? "0" : whole;
  if (point) decimal += "." + (fraction.empty() ? "0" : fraction);
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    decimal += 'e';
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) decimal += text[at++];
    const std::size_t exponent = at;
    for (; at < text.size() && is_digit(text[at]); ++at) decimal += text[at];
    if (at == exponent || at - exponent > 4) return std::nullopt;
  }
  if (at != text.size()) return std::nullopt;
  return decimal;
}

Node resolve_plain(const std::string& value) {
  for (const char* null : {"", "~", "null", "Null", "NULL"}) {
    if (value == null) return {};
  }
  for (const char* yes : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"}) {
    if (value == yes) return Node::boolean(true, value);
  }
  for (const char* no : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}) {
    if (value == no) return Node::boolean(false, value);
  }
  if (auto decimal = number_of(value)) return Node::number(std::move(*decimal));
  return Node::text(value);
}

/// Thrown out of the event handler to leave the parser; caught in parse_yaml.
struct Refused {
  Diagnostic diagnostic;
};

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::shared_ptr<const std::string> file, const YamlLimits& limits)
      : file_(std::move(file)), limits_(limits) {}

  Node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) refuse(mark.line, "a second document starts here; keep one and remove the line \"---\"");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(Node(), mark, anchor, false); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) refuse(mark.line, "an alias points at an anchor that is not complete yet");
    count(known->second.nodes, mark);
    if (static_cast<int>(stack_.size()) + known->second.depth > limits_.depth_max) refuse_depth(mark);
    if (!stack_.empty()) stack_.back().depth_below = std::max(stack_.back().depth_below, known->second.depth);
    Node copy = known->second.node;
    close(std::move(copy), mark);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (value.find(kEndMark) != std::string::npos) {
      refuse(mark.line, "a quoted text starts here and is not closed; add the missing quote");
    }
    if (tag == "!" || tag == "tag:yaml.org,2002:str") {
      add(Node::text(value), mark, anchor, false);
      return;
    }
    if (!tag.empty() && tag != "?" && !tag.starts_with("tag:yaml.org,2002:")) {
      refuse(mark.line, fmt::format("the tag {} is not understood; write the plain value", tag));
    }
    if (tag == "tag:yaml.org,2002:binary") {
      refuse(mark.line, "binary values are not understood; write the plain value");
    }
    add(resolve_plain(value), mark, anchor, true);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::list(), mark, anchor);
  }
  void OnSequenceEnd() override { close_top(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::map(), mark, anchor);
  }
  void OnMapEnd() override { close_top(); }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    int line = 0;
    std::size_t nodes_before = 0;
    int depth_below = 0;             // Of the deepest list or map inside so far.
    std::optional<std::string> key;  // Of a map: the key whose value comes next.
    int key_line = 0;
    std::vector<Node> merges;
  };

  [[noreturn]] void refuse(int line, std::string what) const {
    throw Refused{{Severity::Error, *file_, line + 1, {}, std::move(what)}};
  }

  [[noreturn]] void refuse_depth(const YAML::Mark& mark) const {
    refuse(mark.line, fmt::format("values are nested deeper than {} (depth_max); flatten them", limits_.depth_max));
  }

  void count(std::size_t nodes, const YAML::Mark& mark) {
    nodes_ += nodes;
    if (nodes_ > limits_.nodes_max) {
      refuse(mark.line, fmt::format("the file holds more than {} values (nodes_max); split it or write fewer aliases",
                                    limits_.nodes_max));
    }
  }

  void open(Node node, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (static_cast<int>(stack_.size()) >= limits_.depth_max) refuse_depth(mark);
    if (expects_key()) refuse(mark.line, "a list or map stands where a key should be; write \"key: value\"");
    count(1, mark);
    node.set_place(file_, mark.line + 1);
    stack_.push_back({std::move(node), anchor, mark.line, nodes_ - 1, 0, {}, 0, {}});
  }

  void add(Node node, const YAML::Mark& mark, YAML::anchor_t anchor, bool plain) {
    count(1, mark);
    node.set_place(file_, mark.line + 1);
    if (expects_key()) {
      take_key(node, mark, plain);
      return;
    }
    if (anchor != 0) anchors_[anchor] = {node, 1, 0};
    close(std::move(node), mark);
  }

  bool expects_key() const { return !stack_.empty() && stack_.back().node.is_map() && !stack_.back().key; }

  void take_key(const Node& node, const YAML::Mark& mark, bool plain) {
    if (node.is_null()) refuse(mark.line, "a key is missing before ':'; write \"key: value\"");
    Open& top = stack_.back();
    top.key = node.scalar();
    top.key_line = mark.line + 1;
    if (plain && *top.key == "<<") return;
    for (const Node::Item& item : top.node.items()) {
      if (item.key == *top.key) {
        refuse(mark.line, fmt::format("the key \"{}\" stands here a second time (first on line {}); remove one of them",
                                      item.key, item.key_line));
      }
    }
  }

  void close_top() {
    Open top = std::move(stack_.back());
    stack_.pop_back();
    for (const Node& source : top.merges) merge(top.node, source);
    const std::size_t nodes = nodes_ - top.nodes_before;
    const int depth = top.depth_below + 1;
    if (!stack_.empty()) stack_.back().depth_below = std::max(stack_.back().depth_below, depth);
    if (top.anchor != 0) anchors_[top.anchor] = {top.node, nodes, depth};
    YAML::Mark mark;
    mark.line = top.line;
    close(std::move(top.node), mark);
  }

  /// Members of `source` that the map does not say itself; the first source that says one wins.
  static void merge(Node& target, const Node& source) {
    for (const Node& element : source.elements()) merge(target, element);
    for (const Node::Item& item : source.items()) {
      if (target.find_mutable(item.key) == nullptr) target.items_mutable().push_back(item);
    }
  }

  void close(Node node, const YAML::Mark& mark) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = stack_.back();
    if (parent.node.is_list()) {
      parent.node.elements_mutable().push_back(std::move(node));
      return;
    }
    if (!parent.key) refuse(mark.line, "an alias stands where a key should be; write the key out");
    if (*parent.key == "<<") {
      if (!node.is_map() && !node.is_list()) refuse(mark.line, "\"<<\" wants a map or a list of maps");
      parent.merges.push_back(std::move(node));
    } else {
      parent.node.items_mutable().push_back({*parent.key, parent.key_line, std::move(node)});
    }
    parent.key.reset();
  }

  std::shared_ptr<const std::string> file_;
  const YamlLimits& limits_;
  std::vector<Open> stack_;
  struct Anchored {
    Node node;
    std::size_t nodes = 0;
    int depth = 0;  // Lists and maps inside each other, itself included.
  };
  std::unordered_map<YAML::anchor_t, Anchored> anchors_;
  Node root_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
};

std::string_view line_of(std::string_view text, int line) {
  std::size_t start = 0;
  for (int i = 1; i < line; ++i) {
    const std::size_t end = text.find('\n', start);
    if (end == std::string_view::npos) return {};
    start = end + 1;
  }
  return text.substr(start, text.substr(start).find('\n'));
}

bool has_tab_in_indentation(std::string_view line) {
  const std::size_t content = line.find_first_not_of(" \t");
  return content != std::string_view::npos && line.substr(0, content).find('\t') != std::string_view::npos;
}

/// The parser's own words say what rule was broken; people want to know what to do.
std::string remedy(std::string_view problem) {
  const auto says = [&](std::string_view words) { return problem.find(words) != std::string_view::npos; };
  if (says("tab")) return "this line is indented with a tab; YAML wants spaces";
  if (says("flow end") || says("sequence flow")) return "a '[' or ']' has no partner; close the list";
  if (says("map flow")) return "a '{' or '}' has no partner; close the map";
  if (says("EOF in scalar")) return "a quoted text is not closed; add the missing quote";
  if (says("unknown escape")) return "an unknown escape in a double-quoted text; write \\\\ for a backslash";
  if (says("anchor is not defined")) return "an alias points at an anchor that is not defined above";
  if (says("end of map") || says("map value") || says("map key") || says("block entry") || says("end of sequence")) {
    return "the indentation does not fit; align this line with its neighbours, and quote a text that contains \": \"";
  }
  if (says("unknown token")) return "a text starts with a character that YAML reserves; put it in quotes";
  return fmt::format("this is not YAML ({}); check the line and the one above", problem);
}

Diagnostic explain(std::string_view text, const std::string& file, int line, std::string_view problem) {
  // The parser often notices a tab only lines later, so the nearest one above is the culprit.
  for (int candidate = line; candidate >= std::max(1, line - 3); --candidate) {
    if (has_tab_in_indentation(line_of(text, candidate))) {
      return {Severity::Error, file, candidate, {}, remedy("tab")};
    }
  }
  return {Severity::Error, file, line, {}, remedy(problem)};
}

/// Where `text` stops being UTF-8; npos when all of it is.
std::size_t first_not_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(at);
    const std::size_t length = lead < 0x80   ? 1
                               : lead < 0xc2 ? 0
                               : lead < 0xe0 ? 2
                               : lead < 0xf0 ? 3
                               : lead < 0xf5 ? 4
                                             : 0;
    if (length == 0 || at + length > text.size()) return at;
    for (std::size_t i = 1; i < length; ++i) {
      if ((byte(at + i) & 0xc0) != 0x80) return at;
    }
    if (length > 2) {
      // Overlong forms, surrogates, and what lies beyond the last code point.
      const unsigned char second = byte(at + 1);
      const bool wrong = (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
                         (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f);
      if (wrong) return at;
    }
    at += length;
  }
  return std::string_view::npos;
}

}  // namespace

Read<Node> parse_yaml(std::string_view text, const std::string& file, const YamlLimits& limits) {
  if (text.size() > limits.document_bytes_max) {
    return tl::unexpected(
        Diagnostic{Severity::Error,
                   file,
                   0,
                   {},
                   fmt::format("the file is larger than {} bytes (document_bytes_max); split it with include",
                               limits.document_bytes_max)});
  }
  if (text.starts_with("\xfe\xff") || text.starts_with("\xff\xfe")) {
    return tl::unexpected(Diagnostic{Severity::Error, file, 1, {}, "the file is UTF-16; save it as UTF-8"});
  }
  if (const std::size_t bad = first_not_utf8(text); bad != std::string_view::npos) {
    const auto line =
        1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(bad), '\n'));
    return tl::unexpected(
        Diagnostic{Severity::Error, file, line, {}, "this line is not UTF-8; save the file as UTF-8"});
  }
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    const auto line =
        1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(nul), '\n'));
    return tl::unexpected(Diagnostic{Severity::Error, file, line, {}, "this line holds a NUL byte; remove it"});
  }
  try {
    std::istringstream stream{fmt::format("{}\n{}\n", text, kEndMark)};
    YAML::Parser parser(stream);
    TreeBuilder builder(std::make_shared<const std::string>(file), limits);
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.take();
  } catch (const Refused& refused) {
    return tl::unexpected(refused.diagnostic);
  } catch (const YAML::Exception& failure) {
    return tl::unexpected(explain(text, file, std::max(failure.mark.line, 0) + 1, failure.msg));
  } catch (const std::exception& failure) {
    return tl::unexpected(Diagnostic{Severity::Error, file, 0, {}, remedy(failure.what())});
  }
}

}  // namespace turnpike::config
