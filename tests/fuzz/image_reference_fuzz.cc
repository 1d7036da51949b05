// References of images, one a record: what is read is read again from its own text, and is never an option, a path or
// another transport of skopeo's.
#include "app/image_reference.h"

#include "support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    auto one = app::ImageReference::parse(record);
    if (!one) return;
    auto text = one->to_string();
    fuzz::require(!text.starts_with('-'), "a reference is no option");
    fuzz::require(fuzz::is_inside(text), "a reference leads to no other folder");
    fuzz::require(text.find_first_of(std::string_view(" \t\n\0", 4)) == text.npos, "a reference is one word");
    auto again = app::ImageReference::parse(text);
    fuzz::require(again && again->to_string() == text, "a reference is read as it is written");
  });
  return 0;
}
