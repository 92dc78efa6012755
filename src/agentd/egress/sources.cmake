# SPDX-License-Identifier: Apache-2.0
list(APPEND agentd_sources egress/request_head.cpp egress/response_head.cpp egress/client_hello.cpp egress/rules.cpp
     egress/resolver.cpp egress/books.cpp egress/door.cpp egress/session.cpp egress/moving.cpp egress/proxy.cpp)
