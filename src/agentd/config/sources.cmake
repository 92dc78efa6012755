# SPDX-License-Identifier: Apache-2.0
list(APPEND agentd_sources config/changes.cpp config/config.cpp config/definitions.cpp config/models.cpp config/options.cpp config/paths.cpp config/reference.cpp config/reference_schema.cpp)
