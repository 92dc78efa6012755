# SPDX-License-Identifier: Apache-2.0
list(APPEND agentd_sources api/agents.cpp api/api_server.cpp api/audit.cpp api/changes.cpp api/events.cpp api/idempotency.cpp api/logs.cpp
     api/merged_log.cpp api/poll.cpp api/roles.cpp api/routes.cpp api/services.cpp api/supervision.cpp api/system.cpp api/tasks.cpp api/views.cpp api/work.cpp)

# docs/openapi.json is served byte for byte: as a list of characters in a source of its own, made again when it changes.
set(openapi_json "${PROJECT_SOURCE_DIR}/docs/openapi.json")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${openapi_json}")
file(READ "${openapi_json}" openapi_bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," openapi_bytes "${openapi_bytes}")
configure_file("${CMAKE_CURRENT_LIST_DIR}/openapi.cpp.in" "${CMAKE_CURRENT_BINARY_DIR}/openapi.cpp" @ONLY)
list(APPEND agentd_sources "${CMAKE_CURRENT_BINARY_DIR}/openapi.cpp")
