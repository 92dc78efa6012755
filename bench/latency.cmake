# SPDX-License-Identifier: Apache-2.0
agentos_program(latency_bench SOURCES latency_bench.cpp USES agentos::spawner)
target_include_directories(latency_bench PRIVATE "${CMAKE_CURRENT_LIST_DIR}")
set_target_properties(latency_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
target_compile_definitions(latency_bench PRIVATE AGENTOS_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}"
                                                 AGENTOS_PROGRAMS="${PROJECT_BINARY_DIR}/tests/programs")
add_dependencies(latency_bench test_wake_jitter agentd-spawner agent-init)
