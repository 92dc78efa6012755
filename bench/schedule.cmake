# SPDX-License-Identifier: Apache-2.0
agentos_program(schedule_bench SOURCES schedule_bench.cpp USES agentos::agentd dep::spdlog GTest::gtest)
target_include_directories(schedule_bench PRIVATE "${PROJECT_SOURCE_DIR}/tests/unit/agentd")
set_target_properties(schedule_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
target_include_directories(schedule_bench PRIVATE "${CMAKE_CURRENT_LIST_DIR}")
