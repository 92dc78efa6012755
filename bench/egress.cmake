# SPDX-License-Identifier: Apache-2.0
add_executable(egress_bench "${CMAKE_CURRENT_LIST_DIR}/egress_bench.cpp")
target_link_libraries(egress_bench PRIVATE agentos_flags agentos::agentd)
set_target_properties(egress_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
target_include_directories(egress_bench PRIVATE "${CMAKE_CURRENT_LIST_DIR}")
