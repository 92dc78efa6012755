// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/files.h"
#include "contract/schema.h"

namespace agentos::contract {
namespace {

constexpr std::string_view kBegin =
    "<!-- fields: begin, written from the table in src/contract/schema_fields.cpp -->\n";
constexpr std::string_view kEnd = "<!-- fields: end -->";

TEST(ContractReference, InTheDocumentIsTheTables) {
  const std::string path = AGENTOS_SOURCE_DIR "/docs/contract.md";
  std::string page = readPath(path).value_or("");
  auto begin = page.find(kBegin), end = page.find(kEnd);
  ASSERT_TRUE(begin != std::string::npos && end != std::string::npos);
  begin += kBegin.size();
  if (std::getenv("AGENTOS_REGENERATE") != nullptr) {
    page.replace(begin, end - begin, contractReference());
    std::ofstream(path) << page;
    end = page.find(kEnd);
  }
  EXPECT_EQ(page.substr(begin, end - begin), contractReference()) << "AGENTOS_REGENERATE=1 writes it anew";
}

TEST(ContractReference, HasEveryField) {
  const std::string table = contractReference();
  for (const Field& field : fields())
    EXPECT_TRUE(table.contains("| `" + std::string(field.path) + "` |")) << field.path;
  EXPECT_TRUE(table.contains("| `compute.pids` | a whole number from 1 to 4194304 | `512` |")) << table;
}

}  // namespace
}  // namespace agentos::contract
