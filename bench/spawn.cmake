# SPDX-License-Identifier: Apache-2.0
add_executable(first_instruction first_instruction.cpp)
target_link_libraries(first_instruction PRIVATE agentos_flags)
target_compile_options(first_instruction PRIVATE -fno-sanitize=all)
target_link_options(first_instruction PRIVATE -fno-sanitize=all -static-pie)
set_target_properties(first_instruction PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench/programs")

agentos_program(spawn_bench SOURCES spawn_bench.cpp USES agentos::spawner)
set_target_properties(spawn_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
target_compile_definitions(spawn_bench PRIVATE AGENTOS_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}"
                                               AGENTOS_FIRST="$<TARGET_FILE:first_instruction>")
add_dependencies(spawn_bench first_instruction agentd-spawner agent-init)
