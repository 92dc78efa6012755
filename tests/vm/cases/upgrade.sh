# SPDX-License-Identifier: Apache-2.0
# Lanes: machine container
# Limit: 180
# Start: installed
# A package with a higher version is installed while twenty agents run: agentd and the spawner are new ones, the keeper is not,
# and no agent notices; what the operator changed in agentd.yaml stays.
. /vm/lib.sh

allow_unlimited
contract counter 'run: { mode: job, command: ["/bin/sh", "-c", "i=0; while [ ! -e /home/agent/end ] && [ $i -lt 600 ]; do i=$((i+1)); echo line $i; sleep 0.2; done; exit 7"] }' > /dev/null
ids=()
for n in $(seq 20); do ids+=("$(agentctl spawn --contract /root/counter.yaml --name "counter$n" -o name < /dev/null)"); done
for id in "${ids[@]}"; do within 30 "the state of $id" running agent "$id" state; done
pids() { for id in "${ids[@]}"; do agent "$id" pid; done; }
before=$(pids) daemon=$(main_pid agentd) spawner=$(main_pid agentd-spawner) keeper=$(main_pid agentd-agents)
said=$(cat /etc/agentd/agentd.yaml)

must dpkg -i "$(newer_deb 9.9.9)"
eventually 60 ready
is "the version installed" 9.9.9 "$(dpkg-query -W -f '${Version}' agentd)"
is "the keeper's pid" "$keeper" "$(main_pid agentd-agents)"
[ "$daemon" != "$(main_pid agentd)" ] || fail "agentd was not restarted"
[ "$spawner" != "$(main_pid agentd-spawner)" ] || fail "agentd-spawner was not restarted"
is "agentd.yaml" "$said" "$(cat /etc/agentd/agentd.yaml)"
is "the agents' pids" "$before" "$(pids)"

say "each goes on, ends as it wants to, and its log has no gap"
for id in "${ids[@]}"; do
  is "the state of $id" running "$(agent "$id" state)"
  must agentctl kill --signal TERM "$id"
done
for id in "${ids[@]}"; do refused 1 agentctl wait "$id" --timeout 30s; done
log=$(agentctl logs "${ids[0]}" -n 100000 2> /dev/null | grep -oE 'line [0-9]+' | awk '{ print $2 }')
is "the numbers of ${ids[0]}'s lines" "$(seq "$(wc -l <<< "$log")")" "$log"
is "agents that were lost" 0 "$(audit_kinds | grep -c lost || :)"
is "what systemd calls failed" "" "$(systemctl --failed --plain --no-legend)"
