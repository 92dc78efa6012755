# SPDX-License-Identifier: Apache-2.0
# Lanes: machine container
# Limit: 60
# Long: machine
# What is shipped, and what an idle service takes: measured where it is installed, held against what was promised.
. /vm/lib.sh

mebibytes() { awk -v bytes="$1" 'BEGIN { printf "%.2f", bytes / 1048576 }'; }
size() { mebibytes "$(stat -c %s "$1")"; }
no_more "package, MiB" "$(size "$VM_DEB")" 8
no_more "agentd, MiB" "$(size /usr/bin/agentd)" 6
no_more "agent-init, MiB" "$(size "$(find /usr/lib/agentd -name agent-init)")" 1

resident() { sed -n 's/^Rss: *\([0-9]*\) kB/\1/p' "/proc/$(main_pid "$1")/smaps_rollup" | awk '{ printf "%.1f", $1 / 1024 }'; }
sleep 2 # idle
no_more "agentd at rest, MiB resident" "$(resident agentd)" 20
no_more "agentd-spawner at rest, MiB resident" "$(resident agentd-spawner)" 20
no_more "agentd-keeper at rest, MiB resident" "$(resident agentd-agents)" 20

allow_unlimited
one=$(spawn "$(contract one 'run: { mode: job, command: ["/bin/sleep", "1000"] }')")
eventually 20 state_is "$one" running
init=$(agent "$one" pid)
is "PID 1 of a room" agent-init "$(cat "/proc/$init/comm")"
# Alone it pays for all of its program; with neighbours they share it: bench/ready_bench has that figure.
note "agent-init alone in its machine, KiB (PSS): $(sed -n "s/^Pss: *\([0-9]*\) kB/\1/p" "/proc/$init/smaps_rollup")"

must systemctl restart agentd
eventually 30 ready
no_more "agentd from its start to ready, ms, $(how_measured)" "$(milliseconds_to_ready)" "$(ready_limit)"
