# SPDX-License-Identifier: Apache-2.0
list(APPEND agentd_sources
  scheduler/contract_store.cpp scheduler/cycle.cpp scheduler/due.cpp scheduler/schedule_table.cpp scheduler/scheduler.cpp
  scheduler/task_watch.cpp)
