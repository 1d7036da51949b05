# In a source distribution (scripts/sdist) the libraries lie in third_party/ and are linked statically, under the names
# that find_package and pkg-config would give them. In the repository there is no such folder.
set(bundle ${CMAKE_SOURCE_DIR}/third_party)
if(NOT EXISTS ${bundle})
  return()
endif()

add_library(bundled_fmt INTERFACE)
target_include_directories(bundled_fmt SYSTEM INTERFACE ${bundle}/fmt/include)
target_compile_definitions(bundled_fmt INTERFACE FMT_HEADER_ONLY)
add_library(fmt::fmt ALIAS bundled_fmt)

add_library(bundled_json INTERFACE)
target_include_directories(bundled_json SYSTEM INTERFACE ${bundle}/nlohmann/include)
add_library(nlohmann_json::nlohmann_json ALIAS bundled_json)

file(GLOB sources ${bundle}/zlib/*.c)
list(FILTER sources EXCLUDE REGEX "/gz[a-z]*\\.c$")
add_library(bundled_zlib STATIC ${sources})
target_include_directories(bundled_zlib SYSTEM PUBLIC ${bundle}/zlib)
add_library(ZLIB::ZLIB ALIAS bundled_zlib)

# nghttp2's own build makes the version's header, and a config.h that says where htonl and ssize_t are.
set(PACKAGE_VERSION 0)
set(PACKAGE_VERSION_NUM 0)
configure_file(${bundle}/nghttp2/includes/nghttp2/nghttp2ver.h.in ${CMAKE_BINARY_DIR}/bundled/nghttp2/nghttp2ver.h)
file(GLOB sources ${bundle}/nghttp2/lib/*.c)
add_library(bundled_nghttp2 STATIC ${sources})
target_include_directories(bundled_nghttp2 SYSTEM PUBLIC ${bundle}/nghttp2/includes ${CMAKE_BINARY_DIR}/bundled)
target_compile_definitions(bundled_nghttp2 PUBLIC NGHTTP2_STATICLIB PRIVATE HAVE_ARPA_INET_H HAVE_NETINET_IN_H)
add_library(PkgConfig::NGHTTP2 ALIAS bundled_nghttp2)

# CPython may have a zlib of its own loaded.
set_target_properties(bundled_zlib bundled_nghttp2 PROPERTIES C_VISIBILITY_PRESET hidden)
