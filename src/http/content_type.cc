#include "http/content_type.h"

#include <algorithm>
#include <array>

namespace http {
namespace {

struct Row {
  std::string_view extension;  // in lower case
  ContentType type;
};

// Sorted by extension.
constexpr auto table = std::to_array<Row>({
    {"3gp", {"video/3gpp", false}},
    {"7z", {"application/x-7z-compressed", false}},
    {"aac", {"audio/aac", false}},
    {"apk", {"application/vnd.android.package-archive", false}},
    {"apng", {"image/apng", false}},
    {"atom", {"application/atom+xml", true}},
    {"avi", {"video/x-msvideo", false}},
    {"avif", {"image/avif", false}},
    {"bin", {"application/octet-stream", false}},
    {"bmp", {"image/bmp", true}},
    {"bz2", {"application/x-bzip2", false}},
    {"cjs", {"text/javascript; charset=utf-8", true}},
    {"css", {"text/css; charset=utf-8", true}},
    {"csv", {"text/csv; charset=utf-8", true}},
    {"deb", {"application/vnd.debian.binary-package", false}},
    {"doc", {"application/msword", false}},
    {"docx", {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", false}},
    {"eot", {"application/vnd.ms-fontobject", true}},
    {"epub", {"application/epub+zip", false}},
    {"flac", {"audio/flac", false}},
    {"geojson", {"application/geo+json", true}},
    {"gif", {"image/gif", false}},
    {"gltf", {"model/gltf+json", true}},
    {"gz", {"application/gzip", false}},
    {"heic", {"image/heic", false}},
    {"htm", {"text/html; charset=utf-8", true}},
    {"html", {"text/html; charset=utf-8", true}},
    {"ico", {"image/vnd.microsoft.icon", true}},
    {"ics", {"text/calendar; charset=utf-8", true}},
    {"jpeg", {"image/jpeg", false}},
    {"jpg", {"image/jpeg", false}},
    {"js", {"text/javascript; charset=utf-8", true}},
    {"json", {"application/json", true}},
    {"jsonld", {"application/ld+json", true}},
    {"jxl", {"image/jxl", false}},
    {"m3u8", {"application/vnd.apple.mpegurl", true}},
    {"m4a", {"audio/mp4", false}},
    {"m4v", {"video/mp4", false}},
    {"map", {"application/json", true}},
    {"md", {"text/markdown; charset=utf-8", true}},
    {"mid", {"audio/midi", false}},
    {"mjs", {"text/javascript; charset=utf-8", true}},
    {"mkv", {"video/x-matroska", false}},
    {"mov", {"video/quicktime", false}},
    {"mp3", {"audio/mpeg", false}},
    {"mp4", {"video/mp4", false}},
    {"mpeg", {"video/mpeg", false}},
    {"odp", {"application/vnd.oasis.opendocument.presentation", false}},
    {"ods", {"application/vnd.oasis.opendocument.spreadsheet", false}},
    {"odt", {"application/vnd.oasis.opendocument.text", false}},
    {"oga", {"audio/ogg", false}},
    {"ogg", {"audio/ogg", false}},
    {"ogv", {"video/ogg", false}},
    {"opus", {"audio/ogg", false}},
    {"otf", {"font/otf", true}},
    {"pdf", {"application/pdf", false}},
    {"png", {"image/png", false}},
    {"ppt", {"application/vnd.ms-powerpoint", false}},
    {"pptx", {"application/vnd.openxmlformats-officedocument.presentationml.presentation", false}},
    {"rar", {"application/vnd.rar", false}},
    {"rss", {"application/rss+xml", true}},
    {"rtf", {"application/rtf", true}},
    {"svg", {"image/svg+xml", true}},
    {"tar", {"application/x-tar", false}},
    {"tif", {"image/tiff", false}},
    {"tiff", {"image/tiff", false}},
    {"ts", {"video/mp2t", false}},
    {"tsv", {"text/tab-separated-values; charset=utf-8", true}},
    {"ttc", {"font/collection", true}},
    {"ttf", {"font/ttf", true}},
    {"txt", {"text/plain; charset=utf-8", true}},
    {"vtt", {"text/vtt; charset=utf-8", true}},
    {"wasm", {"application/wasm", true}},
    {"wav", {"audio/wav", false}},
    {"weba", {"audio/webm", false}},
    {"webm", {"video/webm", false}},
    {"webmanifest", {"application/manifest+json", true}},
    {"webp", {"image/webp", false}},
    {"whl", {"application/zip", false}},
    {"woff", {"font/woff", false}},
    {"woff2", {"font/woff2", false}},
    {"xhtml", {"application/xhtml+xml", true}},
    {"xls", {"application/vnd.ms-excel", false}},
    {"xlsx", {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", false}},
    {"xml", {"text/xml; charset=utf-8", true}},
    {"xsl", {"text/xml; charset=utf-8", true}},
    {"xz", {"application/x-xz", false}},
    {"yaml", {"application/yaml", true}},
    {"yml", {"application/yaml", true}},
    {"zip", {"application/zip", false}},
    {"zst", {"application/zstd", false}},
});
static_assert(std::ranges::is_sorted(table, {}, &Row::extension));

constexpr std::size_t longest_extension = 11;  // webmanifest

}  // namespace

ContentType content_type_of(std::string_view file_name) {
  constexpr ContentType unknown{"application/octet-stream", false};
  std::size_t dot = file_name.rfind('.');
  std::size_t slash = file_name.rfind('/');
  if (dot == std::string_view::npos || (slash != std::string_view::npos && slash > dot)) return unknown;
  std::string_view extension = file_name.substr(dot + 1);
  if (extension.size() > longest_extension) return unknown;
  char lower[longest_extension];
  std::ranges::transform(extension, lower,
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  std::string_view wanted(lower, extension.size());
  auto row = std::ranges::lower_bound(table, wanted, {}, &Row::extension);
  return row != table.end() && row->extension == wanted ? row->type : unknown;
}

}  // namespace http
