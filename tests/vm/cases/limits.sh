# SPDX-License-Identifier: Apache-2.0
# Lanes: machine
# Limit: 150
# Each limit met by a program that goes beyond it. The agent beside them is not hurt, and what happened is recorded by kind.
. /vm/lib.sh

programs=/usr/local/lib/agentd-test
witness=$(spawn "$(contract witness 'run: { mode: job, command: ["/bin/sh", "-c", "while :; do echo beat; sleep 0.2; done"] }')")
eventually 20 state_is "$witness" running
group_of() { find /sys/fs/cgroup -type d -name "$1"; }
unhurt() {
  local beats
  beats=$(grep -c beat "/var/log/agentd/$witness/output.log")
  sleep 1
  [ "$(grep -c beat "/var/log/agentd/$witness/output.log")" -gt "$beats" ] || fail "the agent beside stands still at $beats lines"
  is "the agent beside" running "$(agent "$witness" state)"
  is "agentd.service" active "$(systemctl is-active agentd)"
}

say "memory: one that wants 256 MiB of 64"
eater=$(spawn "$(contract eater 'binding: strict' 'restart: { policy: "no" }' 'compute: { mem: 64MiB, swap: "0" }' "run: { mode: job, command: [\"$programs/memory_eater\", \"256\"] }")")
eventually 30 state_is "$eater" exited
[ "$(agent "$eater" exit.oom_kills)" -ge 1 ] || fail "expected an OOM kill, found: $(get "/v1/agents/$eater")"
less "its peak in MiB" "$(($(agent "$eater" exit.memory_peak) >> 20))" 66
is "kills in the audit log" 1 "$(get "/v1/audit?limit=500" | jq --arg id "$eater" '[.items[] | select(.kind == "instance.ended" and .instance == $id and .data.exit.oom_kills >= 1)] | length')"
is "kills in the journal, by their message id" 1 "$(journalctl --sync && journalctl -o cat MESSAGE_ID=7f23ab4e20274c17bb0ca99a80fef445 AGENT_RUN_ID="$eater" | wc -l)"
unhurt

say "cpu: one that wants all of it has a quarter of a core"
burner=$(spawn "$(contract burner 'binding: strict' 'restart: { policy: "no" }' 'compute: { cpu: 250m }' 'run: { mode: job, timeout: 8s, command: ["/bin/sh", "-c", "while :; do :; done"] }')")
eventually 20 state_is "$burner" running
is "cpu.max" "25000 100000" "$(cat "$(group_of "$burner")/pay/cpu.max")"
sleep 5
throttled=$(awk '$1 == "nr_throttled" { print $2 }' "$(group_of "$burner")/pay/cpu.stat")
[ "$throttled" -gt 5 ] || fail "expected it to be throttled, found nr_throttled $throttled"
unhurt
eventually 20 state_is "$burner" exited
less "seconds of cpu in eight" "$(agent "$burner" exit.cpu_usec | awk '{ print $1 / 1e6 }')" 2.9
is "the limit that ended it" run.timeout "$(get "/v1/audit?limit=500" | jq -r --arg id "$burner" '.items[] | select(.kind == "instance.ended" and .instance == $id) | .data.limit')"

say "processes: a fork bomb gets sixteen"
bomb=$(spawn "$(contract bomb 'binding: strict' 'restart: { policy: "no" }' 'compute: { pids: 16 }' "run: { mode: job, command: [\"$programs/fork_bomb\"] }")")
forked() { grep -o 'forked [0-9]* errno [0-9]*' "/var/log/agentd/$bomb/output.log" 2> /dev/null || :; }
within 20 "what the bomb says" "forked 15 errno 11" forked
is "pids.max" 16 "$(cat "$(group_of "$bomb")/pay/pids.max")"
is "processes in its group" 16 "$(cat "$(group_of "$bomb")/pay/pids.current")"
unhurt
must agentctl kill "$bomb"
eventually 10 state_is "$bomb" exited

say "disk: its share is set, and one that writes without end does not stop the others"
writer=$(spawn "$(contract writer 'binding: strict' 'restart: { policy: "no" }' 'compute: { io_weight: 10 }' 'run: { mode: job, timeout: 6s, command: ["/bin/sh", "-c", "while :; do dd if=/dev/zero of=/home/agent/big bs=1M count=64 conv=fsync; done"] }')")
eventually 20 state_is "$writer" running
is "io.weight" "default 10" "$(head -1 "$(group_of "$writer")/pay/io.weight")"
unhurt
eventually 30 state_is "$writer" exited
must agentctl audit verify
