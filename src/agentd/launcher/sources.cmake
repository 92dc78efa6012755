# SPDX-License-Identifier: Apache-2.0
list(APPEND agentd_sources
  launcher/check.cpp launcher/child.cpp launcher/helpers.cpp launcher/house.cpp launcher/launcher.cpp launcher/notify.cpp
  launcher/serve.cpp)
