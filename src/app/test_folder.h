// A temporary folder with files, for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "app/folder.h"
#include "base/file.h"

namespace app {

class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "serai-app-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }

  TestFolder& write(const std::string& file, std::string_view content) {
    std::filesystem::create_directories((path_ / file).parent_path());
    EXPECT_TRUE(base::write_file_atomically(path_ / file, content));
    return *this;
  }
  Folder open() const { return std::move(*Folder::open(path_.string())); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string test_data(const std::string& name) {
  auto content = base::read_file(std::filesystem::path(APP_SOURCE_FOLDER) / "testdata" / name);
  EXPECT_TRUE(content) << name;
  return content.value_or("");
}

}  // namespace app
