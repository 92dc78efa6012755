# SPDX-License-Identifier: Apache-2.0
# Lanes: machine container
# Limit: 90
# Long: machine
# kill -9 of the daemon and of the spawner, one after the other and both: systemd brings them back, agents notice nothing.
. /vm/lib.sh

allow_unlimited
steady=$(spawn "$(contract steady 'run: { mode: job, command: ["/bin/sh", "-c", "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo line $i; sleep 0.05; done"] }')")
leaver=$(spawn "$(contract leaver 'run: { mode: job, command: ["/bin/sh", "-c", "sleep 6; exit 7"] }')")
eventually 20 state_is "$steady" running
eventually 20 state_is "$leaver" running
pid=$(agent "$steady" pid)

killed() { # PATTERN - the one process with that command line
  local found
  found=$(pgrep -f "$1") || fail "no process '$1' to kill"
  kill -9 $found
}
daemon='agentd --serve' spawner='^(/usr)?/lib/agentd/agentd-spawner'
for victim in "$daemon" "$spawner" "$daemon|$spawner"; do
  say "kill -9 of $victim"
  killed "$victim"
  eventually 30 ready
  is "$steady after it" "running $pid" "$(agent "$steady" state) $(agent "$steady" pid)"
  sleep 1
done

say "work goes on afterwards"
late=$(spawn "$(contract late 'run: { mode: job, command: ["/bin/sh", "-c", "echo still here"] }')")
eventually 20 state_is "$late" exited
is "the exit of a late agent" 0 "$(agent "$late" exit.code)"

say "the exit code of one that ended meanwhile is true, the log of the other has no gap"
eventually 20 state_is "$leaver" exited
is "the exit code" 7 "$(agent "$leaver" exit.code)"
seen=$(grep -o 'line [0-9]*' "/var/log/agentd/$steady/output.log" | awk '{ if ($2 != NR) { print "gap at", NR, $2; exit } } END { print "whole" }')
is "the log" whole "$seen"
must agentctl audit verify
is "agentd.service" active "$(systemctl is-active agentd)"
