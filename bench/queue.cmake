# SPDX-License-Identifier: Apache-2.0
agentos_program(queue_bench SOURCES queue_bench.cpp USES agentos::company)
set_target_properties(queue_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
target_include_directories(queue_bench PRIVATE "${CMAKE_CURRENT_LIST_DIR}")
