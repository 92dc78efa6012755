# SPDX-License-Identifier: Apache-2.0
# GCC 12 and 13 miscompile temporaries inside co_await expressions into double frees (measured: docs/decisions/0001);
# clang before 19 does not accept libstdc++ 12's <expected>.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  message(FATAL_ERROR "GCC ${CMAKE_CXX_COMPILER_VERSION} miscompiles coroutines; use clang-19 (apt-get install clang-19, "
                      "cmake --preset dev chooses it) or GCC 14 and newer")
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR "clang ${CMAKE_CXX_COMPILER_VERSION} has no working std::expected with this standard library; "
                      "use clang-19 (apt-get install clang-19, cmake --preset dev chooses it)")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")

option(AGENTOS_FUZZ "Build the libFuzzer targets instead of the programs' tests" OFF)
set(AGENTOS_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them: address,undefined or thread")

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND};-E;env;CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime;CCACHE_BASEDIR=${PROJECT_SOURCE_DIR};CCACHE_NOHASHDIR=1;${CCACHE}")
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# Flags of our own code; third-party headers come in as SYSTEM.
add_library(agentos_flags INTERFACE)
target_compile_options(agentos_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast -Werror
  -fstack-protector-strong)
target_compile_definitions(agentos_flags INTERFACE _GLIBCXX_ASSERTIONS)
add_link_options(-Wl,-z,relro,-z,now)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_link_options(-Wl,--gc-sections)
  if(MOLD)
    add_link_options(-Wl,--icf=safe)
  endif()
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(AGENTOS_SANITIZE)
  add_compile_options(-fsanitize=${AGENTOS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${AGENTOS_SANITIZE})
endif()
if(AGENTOS_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
