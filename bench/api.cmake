# SPDX-License-Identifier: Apache-2.0
agentos_program(api_bench SOURCES api_bench.cpp support/floor.cpp support/house.cpp USES agentos::spawner)
target_include_directories(api_bench PRIVATE "${CMAKE_CURRENT_LIST_DIR}")
target_compile_definitions(api_bench PRIVATE AGENTOS_FIRST="$<TARGET_FILE:first_instruction>")
set_target_properties(api_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
add_dependencies(api_bench first_instruction)
