# SPDX-License-Identifier: Apache-2.0
add_executable(gateway_bench "${CMAKE_CURRENT_LIST_DIR}/gateway_bench.cpp")
target_link_libraries(gateway_bench PRIVATE agentos_flags agentos::agentd)
set_target_properties(gateway_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
target_include_directories(gateway_bench PRIVATE "${CMAKE_CURRENT_LIST_DIR}")
