# SPDX-License-Identifier: Apache-2.0
list(APPEND agentd_sources http/message.cpp http/problem.cpp http/router.cpp http/server.cpp http/connection.cpp http/peer.cpp
     http/listen.cpp)
