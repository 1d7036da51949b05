// Procfile and the commands in it: what is taken has an argument vector, with and without variables.
#include "app/command_line.h"
#include "app/procfile.h"
#include "support.h"

namespace {

void run(std::string_view text) {
  auto command = app::CommandLine::parse(text);
  fuzz::require(command.has_value(), "a Procfile's commands have been checked");
  std::map<std::string, std::string> environment = {{"PORT", "8000"}, {"EMPTY", ""}};
  auto argv = command->argv(app::lookup_in(environment));
  fuzz::require(!argv.empty(), "there is a program");
  fuzz::require(!command->words().empty(), "there are words");
  fuzz::require(fuzz::is_inside(command->folder()), "the folder is inside the app");
  (void)command->assignments(app::lookup_in(environment));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    auto lines = app::parse_procfile(record);
    if (!lines) {
      fuzz::require(lines.error().message().starts_with("Procfile:"), "an error names the file");
      return;
    }
    for (const auto& line : *lines) run(line.command);
  });
  return 0;
}
