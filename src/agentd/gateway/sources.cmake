# SPDX-License-Identifier: Apache-2.0
list(APPEND agentd_sources gateway/gateway.cpp gateway/chat.cpp gateway/self.cpp)
