# SPDX-License-Identifier: Apache-2.0
# Lanes: machine
# Limit: 90
# agentd itself runs out of memory: the kernel kills it and nobody else, systemd starts it again, agents go on, no task is lost.
. /vm/lib.sh

with_workers 6
steady=$(spawn "$(contract steady 'run: { mode: job, command: ["/bin/sh", "-c", "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done"] }')")
eventually 20 state_is "$steady" running
pid=$(agent "$steady" pid) daemon=$(main_pid agentd) spawner=$(main_pid agentd-spawner)

must systemctl set-property --runtime agentd.service MemoryMax=2M
killed() { journalctl -k -b --no-pager -o cat | grep -q "Killed process $daemon (agentd)" || journalctl -u agentd --no-pager -o cat | grep -q "oom-kill"; }
eventually 30 killed
must systemctl set-property --runtime agentd.service MemoryMax=infinity
eventually 30 ready
has "what systemd says of it" "oom-kill" "$(journalctl -u agentd --no-pager -o cat)"
[ "$(property agentd NRestarts)" -ge 1 ] || fail "systemd was to start it again"
[ "$(main_pid agentd)" != "$daemon" ] || fail "agentd's pid is still $daemon"
is "the spawner" "$spawner" "$(main_pid agentd-spawner)"

say "the agent beside did not notice, and the work is done"
is "$steady after it" "running $pid" "$(agent "$steady" state) $(agent "$steady" pid)"
seen=$(grep -o 'line [0-9]*' "/var/log/agentd/$steady/output.log" | awk '{ if ($2 != NR) { print "gap at", NR, $2; exit } } END { print "whole" }')
is "its log" whole "$seen"
within 60 "tasks that are not done" 0 tasks_left
is "tasks done" 12 "$(tasks_that_are "done" | wc -l)"
whole_books
must systemctl revert agentd.service
