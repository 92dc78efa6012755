# SPDX-License-Identifier: Apache-2.0
list(APPEND agentd_sources
  supervisor/end_of_run.cpp supervisor/init_control.cpp supervisor/launch_record.cpp supervisor/lifecycle.cpp supervisor/limit_watch.cpp
  supervisor/machine.cpp supervisor/mounts.cpp supervisor/policy.cpp supervisor/preemption.cpp supervisor/preemptor.cpp supervisor/restart_table.cpp supervisor/restarts.cpp supervisor/room_plan.cpp
  supervisor/run_table.cpp supervisor/settled_event.cpp supervisor/spare_directories.cpp supervisor/supervisor_books.cpp supervisor/supervisor_impl.cpp supervisor/supervisor_limits.cpp supervisor/supervisor_overlays.cpp supervisor/supervisor_preemption.cpp supervisor/supervisor_restarts.cpp supervisor/supervisor_spawn.cpp supervisor/supervisor_views.cpp)

# What ends, holds and starts again: health, trees, the halt, dead letters.
list(APPEND agentd_sources
  supervisor/dead_table.cpp supervisor/halt_table.cpp supervisor/health.cpp supervisor/health_table.cpp supervisor/supervisor_dead.cpp
  supervisor/supervisor_halt.cpp supervisor/supervisor_health.cpp supervisor/supervisor_tree.cpp supervisor/tree.cpp)
