# SPDX-License-Identifier: Apache-2.0
agentos_program(ready_bench SOURCES ready_bench.cpp support/house.cpp USES agentos::base)
target_include_directories(ready_bench PRIVATE "${CMAKE_CURRENT_LIST_DIR}")
set_target_properties(ready_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
