# SPDX-License-Identifier: Apache-2.0
# Lanes: machine
# Limit: 240
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

# events ID KIND [FIELD] - how many of that kind it has in the audit log, or that field of the first
events() { get "/v1/audit?limit=1000" | jq --arg id "$1" --arg kind "$2" '[.items[] | select(.kind == $kind and .instance == $id)] | length'; }
figure() { get "/v1/audit?limit=1000" | jq -r --arg id "$1" --arg kind "$2" "[.items[] | select(.kind == \$kind and .instance == \$id)][0].data.$3"; }
has_event() { [ "$(events "$1" "$2")" -ge 1 ]; }
is "events of an agent that met no limit" 0 "$(get "/v1/audit?limit=1000" | jq '[.items[] | select(.kind | startswith("limit."))] | length')"

say "memory: one that wants 256 MiB of 64"
eater=$(spawn "$(contract eater 'binding: strict' 'restart: { policy: "no" }' 'compute: { mem: 64MiB, swap: "0" }' "run: { mode: job, command: [\"$programs/memory_eater\", \"256\"] }")")
eventually 30 state_is "$eater" exited
[ "$(agent "$eater" exit.oom_kills)" -ge 1 ] || fail "expected an OOM kill, found: $(get "/v1/agents/$eater")"
less "its peak in MiB" "$(($(agent "$eater" exit.memory_peak) >> 20))" 66
is "kills in the audit log" 1 "$(get "/v1/audit?limit=500" | jq --arg id "$eater" '[.items[] | select(.kind == "instance.ended" and .instance == $id and .data.exit.oom_kills >= 1)] | length')"
is "the kill as an event of its own" 1 "$(events "$eater" limit.memory)"
is "its figure" 67108864 "$(figure "$eater" limit.memory limit_bytes)"
is "kills in the journal, by their message id" 1 "$(journalctl --sync && journalctl -o cat MESSAGE_ID=7f23ab4e20274c17bb0ca99a80fef445 AGENT_RUN_ID="$eater" | wc -l)"
unhurt

say "memory: one that is to be slowed down at 24 MiB wants 32 of 64, and is not ended"
slow=$(spawn "$(contract slow 'binding: strict' 'restart: { policy: "no" }' 'compute: { mem: 64MiB, mem_high: 24MiB, swap: "0" }' "run: { mode: job, timeout: 10s, command: [\"$programs/memory_eater\", \"32\"] }")")
eventually 30 has_event "$slow" limit.memory_high
is "memory.high" 25165824 "$(cat "$(group_of "$slow")/pay/memory.high" 2> /dev/null || figure "$slow" limit.memory_high limit_bytes)"
eventually 30 state_is "$slow" exited
is "kills" 0 "$(agent "$slow" exit.oom_kills)"
[ "$(agent "$slow" exit.memory_high)" -ge 1 ] || fail "its record does not say that it was slowed down: $(get "/v1/agents/$slow")"
unhurt

say "cpu: one that wants all of it has a quarter of a core"
burner=$(spawn "$(contract burner 'binding: strict' 'restart: { policy: "no" }' 'compute: { cpu: 250m }' 'run: { mode: job, timeout: 25s, command: ["/bin/sh", "-c", "while :; do :; done"] }')")
eventually 20 state_is "$burner" running
is "cpu.max" "25000 100000" "$(cat "$(group_of "$burner")/pay/cpu.max")"
sleep 5
throttled=$(awk '$1 == "nr_throttled" { print $2 }' "$(group_of "$burner")/pay/cpu.stat")
[ "$throttled" -gt 5 ] || fail "expected it to be throttled, found nr_throttled $throttled"
is "processors that it sees" 1 "$(jq -r .limits.cpus.limit < /proc/"$(agent "$burner" pid)"/root/run/agent/limits.json)"
has "what it is told of its share" 'cpu.max=25000 100000' "$(jq -r .limits.cpu_millicores.by < /proc/"$(agent "$burner" pid)"/root/run/agent/limits.json)"
unhurt
eventually 20 has_event "$burner" limit.cpu
is "its figure" 250 "$(figure "$burner" limit.cpu limit_millicores)"
eventually 40 state_is "$burner" exited
is "events while it was throttled all the time" 1 "$(events "$burner" limit.cpu)"
less "seconds of cpu in twenty-five" "$(agent "$burner" exit.cpu_usec | awk '{ print $1 / 1e6 }')" 8.5
is "the limit that ended it" run.timeout "$(get "/v1/audit?limit=500" | jq -r --arg id "$burner" '.items[] | select(.kind == "instance.ended" and .instance == $id) | .data.limit')"

say "processes: a fork bomb gets sixteen"
bomb=$(spawn "$(contract bomb 'binding: strict' 'restart: { policy: "no" }' 'compute: { pids: 16 }' "run: { mode: job, command: [\"$programs/fork_bomb\"] }")")
forked() { grep -o 'forked [0-9]* errno [0-9]*' "/var/log/agentd/$bomb/output.log" 2> /dev/null || :; }
within 20 "what the bomb says" "forked 15 errno 11" forked
is "pids.max" 16 "$(cat "$(group_of "$bomb")/pay/pids.max")"
is "processes in its group" 16 "$(cat "$(group_of "$bomb")/pay/pids.current")"
eventually 10 has_event "$bomb" limit.pids
is "its figure" 16 "$(figure "$bomb" limit.pids limit)"
unhurt
must agentctl kill "$bomb"
eventually 10 state_is "$bomb" exited

say "disk: its share is set, and one that writes without end gets a mebibyte a second"
writer=$(spawn "$(contract writer 'binding: strict' 'restart: { policy: "no" }' 'compute: { io_weight: 10, io_max: { write: 1MiB } }' 'run: { mode: job, timeout: 15s, command: ["/bin/sh", "-c", "while :; do dd if=/dev/zero of=/home/agent/big bs=256k count=8 conv=fsync 2> /dev/null; echo wrote; done"] }')")
eventually 20 state_is "$writer" running
is "io.weight" "default 10" "$(head -1 "$(group_of "$writer")/pay/io.weight")"
has "io.max" "rbps=max wbps=1048576 riops=max wiops=max" "$(cat "$(group_of "$writer")/pay/io.max")"
has "what is enforced" "io.max=$(findmnt -no MAJ:MIN / | tr -d " ")" "$(agent "$writer" enforcement.enforced)"
eventually 20 has_event "$writer" limit.io
is "its figure" 1048576 "$(figure "$writer" limit.io limit)"
is "what it was held back in" write_bytes "$(figure "$writer" limit.io what)"
unhurt
eventually 30 state_is "$writer" exited
[ "$(grep -c wrote "/var/log/agentd/$writer/output.log")" -le 10 ] || fail "2 MiB at 1 MiB/s, fifteen seconds: $(grep -c wrote "/var/log/agentd/$writer/output.log") times"

say "the same without the limit writes on"
free=$(spawn "$(contract free 'binding: strict' 'restart: { policy: "no" }' 'run: { mode: job, timeout: 15s, command: ["/bin/sh", "-c", "for i in $(seq 20); do dd if=/dev/zero of=/home/agent/big bs=256k count=8 conv=fsync 2> /dev/null; echo wrote; done"] }')")
eventually 30 state_is "$free" exited
is "times that it wrote" 20 "$(grep -c wrote "/var/log/agentd/$free/output.log")"
is "its events of limits" 0 "$(events "$free" limit.io)"
must agentctl audit verify
