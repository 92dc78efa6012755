# SPDX-License-Identifier: Apache-2.0
list(APPEND agentd_sources overlay/helper.cpp overlay/overlays.cpp overlay/snapshot.cpp)
