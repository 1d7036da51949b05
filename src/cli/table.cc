#include "cli/table.h"

#include <algorithm>
#include <ostream>

#include "cli/deploy_view.h"
#include "cli/printable.h"

namespace cli {

void Table::add(std::vector<std::string> row) {
  for (auto& cell : row) cell = printable(cell);
  rows_.push_back(std::move(row));
}

void Table::print(std::ostream& out) const {
  std::vector<std::size_t> widths(rows_[0].size(), 0);
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); i++) widths[i] = std::max(widths[i], columns(row[i]));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); i++) {
      bool last = i + 1 == row.size();
      out << (last ? row[i] : padded(row[i], widths[i] + 2));
    }
    out << '\n';
  }
}

}  // namespace cli
