# SPDX-License-Identifier: Apache-2.0
# Lanes: machine
# Limit: 180
# Long: yes
# The latency classes with the real scheduler: HRT admitted, refused and kept under load, DT in batch and preempted under pressure.
. /vm/lib.sh

programs=/usr/local/lib/agentd-test
sed -i 's/^  #cpu: 1s/  cpu: 600ms/; s/^  #calm: 10s/  calm: 3s/; s/^  #longest: 1m/  longest: 20s/' /etc/agentd/agentd.yaml
is "keys that were set" 3 "$(grep -cE '^  (cpu: 600ms|calm: 3s|longest: 20s)' /etc/agentd/agentd.yaml)"
must systemctl restart agentd
eventually 60 ready
group_of() { find /sys/fs/cgroup -type d -name "$1"; }
main_of() { head -1 "$(group_of "$1")/pay/cgroup.procs"; }
slo='{ runtime_us: 4000, deadline_us: 10000, period_us: 50000 }'
output_of() { cat "/var/log/agentd/$1/output.log"; }

say "what the machine gives: real time on both processors, and the kernel's word on pressure"
is "processors for real time" 2 "$(get /v1/system | jq .real_time.cpus)"
is "preemption" "true " "$(get /v1/system | jq -r '"\(.preemption.on) \(.preemption.why_not)"')"

say "HRT: the table says the reservation and the bound, and starts nothing"
file=/root/keeper.yaml
contract keeper 'binding: strict' 'restart: { policy: "no" }' "class: { latency: HRT, slo: $slo }" 'compute: { mem: 64MiB }' \
  "run: { mode: job, command: [\"$programs/wake_jitter\", \"50000\", \"300\", \"1000\"] }" > /dev/null
table=$(agentctl -o json contract explain $file)
is "the answer" true "$(jq .admitted <<< "$table")"
has "the row of the class" "4ms within 10ms of each 50ms; EDF density 0.400 of at most" "$(jq -r '.rows[] | select(.path == "class.latency") | .by' <<< "$table")"
is "agents" 0 "$(get /v1/agents | jq '.items | length')"

say "HRT: too much is refused, by the table and by the spawn, and so is a model's word"
contract hog 'binding: flexible' "class: { latency: HRT, slo: { runtime_us: 45000, period_us: 50000 } }" \
  'run: { mode: job, command: ["/bin/true"] }' > /dev/null
refused 4 agentctl contract explain /root/hog.yaml
has "why" "more real time than is left" "$SAID"
refused 4 agentctl spawn --contract /root/hog.yaml
has "why" "EDF density 0.900" "$SAID"
contract talker 'modelPolicy: { allow: ["house/*"] }' > /dev/null
refused 4 agentctl spawn --contract /root/talker.yaml --class HRT
has "why" "never in real time" "$SAID"

say "HRT: kept under load, beside an ordinary process that is not"
busy='run: { mode: service, command: ["/bin/sh", "-c", "while :; do :; done"] }'
patient=$(spawn "$(contract patient 'restart: { policy: "no" }' "$busy")")
has "DT is in batch" "SCHED_BATCH" "$(chrt -p "$(main_of "$patient")")"
is "its weight" 50 "$(cat "$(group_of "$patient")/pay/cpu.weight")"
# Of class SRT, since those of DT give way.
loads=()
for n in 1 2 3 4; do loads+=("$(spawn "$(contract "load$n" 'restart: { policy: "no" }' 'class: { latency: SRT }' "$busy")")"); done
eventually 20 state_is "${loads[3]}" running
keeper=$(spawn $file)
ordinary=$(spawn "$(contract ordinary 'restart: { policy: "no" }' 'class: { latency: SRT }' "run: { mode: job, command: [\"$programs/wake_jitter\", \"50000\", \"300\", \"1000\"] }")")
eventually 20 state_is "$keeper" running
has "the kernel's word" "SCHED_DEADLINE" "$(chrt -p "$(main_of "$keeper")")"
has "its numbers" "4000000/10000000/50000000" "$(chrt -p "$(main_of "$keeper")" | tr -d ' ')"
has "status" "SCHED_DEADLINE=4000/10000/50000 us" "$(agent "$keeper" enforcement.enforced)"
has "locked memory" "67108864" "$(grep 'locked memory' "/proc/$(main_of "$keeper")/limits")"
eventually 60 state_is "$keeper" exited
eventually 60 state_is "$ordinary" exited
word() { output_of "$1" | grep -o "$2 [0-9]*" | cut -d' ' -f2; }
note "$(how_measured), under load: HRT awake late by p99 $(word "$keeper" p99) us, p99.9 $(word "$keeper" p999), max $(word "$keeper" max); ordinary $(word "$ordinary" p99), $(word "$ordinary" p999), $(word "$ordinary" max)"
# An emulated processor stands still when the host has other work, whoever runs on it.
if [ "$(how_measured)" != "under emulation" ]; then
  less "periods that HRT missed" "$(word "$keeper" missed)" 3
  less "HRT's p99 beside the ordinary one's" "$(word "$keeper" p99)" "$(word "$ordinary" p99)"
fi

say "SRT: weight and burst"
urgent=$(spawn "$(contract urgent 'binding: strict' 'restart: { policy: "no" }' 'class: { latency: SRT }' 'compute: { cpu: "2" }' 'run: { mode: service, command: ["/bin/sh", "-c", "while :; do :; done & while :; do :; done"] }')")
eventually 20 state_is "$urgent" running
is "its weight" 200 "$(cat "$(group_of "$urgent")/pay/cpu.weight")"
is "its burst" 200000 "$(cat "$(group_of "$urgent")/pay/cpu.max.burst")"

say "DT: gave way to them under pressure, with an event, and goes on after it"
eventually 40 state_is "$patient" preempted
is "the kernel's word" "frozen 1" "$(grep frozen "$(group_of "$patient")/pay/cgroup.events")"
[ "$(get "/v1/audit?limit=1000" | jq '[.items[] | select(.kind == "instance.preempted" and .data.pressure == "cpu")] | length')" -ge 1 ] || fail "no event of the preemption"
is "SRT beside it" running "$(agent "$urgent" state)"
for one in "${loads[@]}" "$urgent"; do must agentctl kill "$one"; done
eventually 40 state_is "$patient" running
is "the kernel's word" "frozen 0" "$(grep frozen "$(group_of "$patient")/pay/cgroup.events")"
must agentctl kill "$patient"
must agentctl audit verify
