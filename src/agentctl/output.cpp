// SPDX-License-Identifier: Apache-2.0
#include "agentctl/output.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "agentctl/fields.h"

namespace agentos::agentctl {
namespace {

// Columns that a terminal gives to text: code points, without the marks of colour.
std::size_t widthOf(std::string_view text) {
  std::size_t width = 0;
  bool escape = false;
  for (char c : text) {
    if (c == '\033') escape = true;
    if (!escape && (static_cast<unsigned char>(c) & 0xC0) != 0x80) ++width;
    if (escape && c == 'm') escape = false;
  }
  return width;
}

// What agents write lands in tables: nothing of it may steer the terminal or break the line.
std::string harmless(const std::string& text) {
  std::string out;
  for (char c : text) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  return out;
}

constexpr std::size_t kCell = 100;  // bytes of a cell; -o wide has them all

const char* colourOf(std::string_view state) {
  static constexpr std::string_view kGood[] = {"running", "done", "success", "intact", "ok", "yes", "ready", "met"};
  static constexpr std::string_view kBad[] = {"failed", "failure", "lost", "refused", "broken", "dead", "denied"};
  static constexpr std::string_view kMiddle[] = {"paused",   "preempted",  "stopping", "starting",    "pending",
                                                 "held",     "blocked",    "starved",  "in-progress", "in-review",
                                                 "anchored", "unanchored", "warning",  "waiting"};
  auto isIn = [state](const auto& words) { return std::ranges::find(words, state) != std::end(words); };
  if (isIn(kGood)) return "32";
  if (isIn(kBad)) return "31";
  if (isIn(kMiddle)) return "33";
  return nullptr;
}

}  // namespace

void complain(std::string_view text) {
  std::string line = "agentctl: " + std::string(text) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void Output::write(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() && std::fflush(stdout) == 0) return;
  int error = errno;
  if (error == EPIPE) std::_Exit(0);  // the reader has seen enough
  complain(std::string("writing the output failed: ") + std::strerror(error));
  std::_Exit(1);
}

void Output::line(std::string_view text) { write(std::string(text) + "\n"); }

void Output::document(const Json& value) {
  if (format_ == Format::kYaml) return write(toYaml(value));
  line(value.dump(2, ' ', false, Json::error_handler_t::replace));
}

void Output::record(const Json& value, const std::string& text, const std::string& name) {
  if (isTable()) return line(text);
  if (format_ == Format::kName) return line(textOf(value, name));
  if (format_ == Format::kYaml) return write("---\n" + toYaml(value));
  line(dumpJson(value));
}

void Output::list(const Json& items, const std::vector<Column>& columns, const std::string& name,
                  const std::string& empty) {
  if (format_ == Format::kJson || format_ == Format::kYaml) return document({{"items", items}});
  if (format_ == Format::kName) {
    for (const auto& item : items) line(harmless(textOf(item, name)));
    return;
  }
  if (items.empty()) return say(empty);
  std::vector<const Column*> shown;
  for (const auto& column : columns) {
    if (column.kind != Column::Kind::kWide || format_ == Format::kWide) shown.push_back(&column);
  }
  write(table(items, shown));
}

std::string Output::table(const Json& items, const std::vector<const Column*>& columns) const {
  std::vector<std::vector<std::string>> rows(1);
  for (const auto* column : columns) rows[0].push_back(column->title);
  for (const auto& item : items) {
    auto& row = rows.emplace_back();
    for (const auto* column : columns) {
      auto text = harmless(column->text(item));
      if (text.empty()) text = "-";
      if (format_ == Format::kTable) text = shortened(text, kCell);
      row.push_back(column->kind == Column::Kind::kState ? coloured(text) : text);
    }
  }
  std::vector<std::size_t> widths(columns.size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], widthOf(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::string space(widths[i] - widthOf(row[i]), ' ');
      bool right = columns[i]->kind == Column::Kind::kNumber;
      line += (i == 0 ? "" : "  ") + (right ? space + row[i] : row[i] + space);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

void Output::thing(const Json& value, const std::vector<Column>& rows, const std::string& name) {
  if (format_ == Format::kJson || format_ == Format::kYaml) return document(value);
  if (format_ == Format::kName) return line(harmless(textOf(value, name)));
  std::size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row.title.size());
  std::string out;
  for (const auto& row : rows) {
    auto text = harmless(row.text(value));
    if (text.empty() || (row.kind == Column::Kind::kWide && format_ != Format::kWide)) continue;
    if (row.kind == Column::Kind::kState) text = coloured(text);
    out += row.title + ":" + std::string(width - row.title.size() + 1, ' ') + text + "\n";
  }
  write(out);
}

void Output::say(std::string_view text) const {
  if (!quiet_ && !text.empty()) sayAlways(text);
}

void Output::sayAlways(std::string_view text) {
  std::string line = std::string(text) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

std::string Output::coloured(const std::string& state) const {
  const char* colour = colour_ ? colourOf(state) : nullptr;
  return colour == nullptr ? state : "\033[" + std::string(colour) + "m" + state + "\033[0m";
}

}  // namespace agentos::agentctl
