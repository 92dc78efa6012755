# SPDX-License-Identifier: Apache-2.0
list(APPEND agentd_sources recovery/recovery.cpp)
