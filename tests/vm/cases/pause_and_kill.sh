# SPDX-License-Identifier: Apache-2.0
# Lanes: machine container
# Limit: 60
# Long: machine
# Pause stands every process of an agent still, resume goes on, kill leaves none; another agent notices nothing.
. /vm/lib.sh

allow_unlimited
tree=$(spawn "$(contract tree 'run: { mode: job, command: ["/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8; do (while :; do echo tick; sleep 0.1; done) & done; wait"] }')")
other=$(spawn "$(contract other 'run: { mode: job, command: ["/bin/sh", "-c", "while :; do echo tock; sleep 0.1; done"] }')")
ticks() { grep -c "$2" "/var/log/agentd/$1/output.log" || :; }
more_than() { [ "$(ticks "$1" "$2")" -gt "$3" ]; }
eventually 20 more_than "$tree" tick 16
eventually 20 more_than "$other" tock 2

must agentctl pause "$tree"
is "the state" paused "$(agent "$tree" state)"
sleep 0.5 # what was on its way to the log
before=$(ticks "$tree" tick) others=$(ticks "$other" tock)
sleep 2
is "lines of the paused agent after two seconds" "$before" "$(ticks "$tree" tick)"
[ "$(ticks "$other" tock)" -gt "$others" ] || fail "the other agent stands still too: $others lines before and after"

must agentctl resume "$tree"
eventually 20 more_than "$tree" tick $((before + 16))

group=$(find /sys/fs/cgroup -type d -name "$tree")
[ "$(cat "$group"/pay/cgroup.procs | wc -l)" -ge 9 ] || fail "the tree was to be nine processes and more: $(cat "$group"/pay/cgroup.procs)"
must agentctl kill "$tree"
eventually 10 state_is "$tree" exited
is "its signal" 9 "$(agent "$tree" exit.signal)"
within 10 "groups of the killed agent" "" find /sys/fs/cgroup -type d -name "$tree"
is "the other agent" running "$(agent "$other" state)"
