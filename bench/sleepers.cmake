# SPDX-License-Identifier: Apache-2.0
agentos_program(sleepers_bench SOURCES sleepers_bench.cpp support/house.cpp USES agentos::base)
target_include_directories(sleepers_bench PRIVATE "${CMAKE_CURRENT_LIST_DIR}")
set_target_properties(sleepers_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
