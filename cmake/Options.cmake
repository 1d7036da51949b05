# Warnings, sanitizers and the language level as one interface target, `serai_options`, linked by every folder.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(serai_options INTERFACE)
target_include_directories(serai_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(serai_options INTERFACE -Wall -Wextra -Wshadow -Wold-style-cast
  -Wcast-qual -Wunused -Woverloaded-virtual -Wimplicit-fallthrough -Wno-missing-field-initializers)
if(DEFINED ENV{CI} AND NOT SERAI_SANITIZE)  # sanitizers make GCC 12 warn of what cannot happen
  target_compile_options(serai_options INTERFACE -Werror $<$<CXX_COMPILER_ID:GNU>:-Wno-error=restrict>)  # GCC bug 105651
endif()
target_compile_options(serai_options INTERFACE -fstack-protector-strong -fno-plt)
target_compile_definitions(serai_options INTERFACE $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
target_link_options(serai_options INTERFACE -Wl,-z,relro,-z,now)
if(SERAI_SANITIZE)
  target_compile_options(serai_options INTERFACE -fsanitize=${SERAI_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(serai_options INTERFACE -fsanitize=${SERAI_SANITIZE})
endif()
