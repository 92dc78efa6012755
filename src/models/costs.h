// SPDX-License-Identifier: Apache-2.0
// finance/costs/YYYY-MM-DD.jsonl: what people and other programs read about money, derived from the ledger: one line a
// settlement, in the file of its day in the company's zone. Lines that somebody else wrote (no "settlement") are kept.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "models/ledger.h"

namespace agentos::models {

// Appends the settlements that are not in the files yet, and syncs. A crash between commit and append, or between
// append and the mark in the ledger, is healed by the next call: lines that are there already are recognised by their
// settlement id, a torn last line is taken away. Returns the lines written.
Result<std::size_t> appendCosts(int companyRootFd, Ledger& ledger, std::string_view zone);

// Writes every day's file again from the ledger; the same ledger gives the same bytes. Returns the lines written.
Result<std::size_t> rebuildCosts(int companyRootFd, Ledger& ledger, std::string_view zone);

// The line of a settlement, with its newline. cost_usd is an exact decimal number.
Result<std::string> costLine(const Ledger::Settlement& settlement, std::string_view zone);

}  // namespace agentos::models
