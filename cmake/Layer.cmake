# SPDX-License-Identifier: Apache-2.0
# A layer is a static library whose headers are seen only by what links it: "base/fd.h" is found through a link
# <build>/include/base/base -> src/base, and only that folder is on the include path of base's users. So an include
# across layers that the link lines do not allow does not compile (tests/layers proves it).
function(agentos_layer name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES;PRIVATE_USES" ${ARGN})
  set(view "${PROJECT_BINARY_DIR}/include/${name}")
  file(MAKE_DIRECTORY "${view}")
  file(CREATE_LINK "${CMAKE_CURRENT_SOURCE_DIR}" "${view}/${name}" SYMBOLIC)
  add_library(agentos_${name} STATIC ${arg_SOURCES})
  add_library(agentos::${name} ALIAS agentos_${name})
  target_include_directories(agentos_${name} PUBLIC "${view}")
  target_link_libraries(agentos_${name} PUBLIC ${arg_USES} PRIVATE agentos_flags ${arg_PRIVATE_USES})
endfunction()

function(agentos_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE agentos_flags ${arg_USES})
endfunction()

# agentos_test(unit_base SOURCES … USES …  LABELS unit  TIMEOUT 60): a GoogleTest program, one ctest entry a program.
function(agentos_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;USES;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE agentos_flags ${arg_USES} GTest::gmock_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  target_compile_definitions(${name} PRIVATE AGENTOS_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                             AGENTOS_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()
