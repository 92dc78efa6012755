# SPDX-License-Identifier: Apache-2.0
# Lanes: container
# Limit: 150
# What docs/operations.md says of a stop: a running cycle has its grace, then its task goes back; `keep` leaves agents; the
# socket starts agentd again for whoever asks; a broken contract leaves the one before it in force.
. /vm/lib.sh

must agentctl company init $COMPANY
sed -i 's/^  #grace: 10s/  grace: 8s/' /etc/agentd/agentd.yaml
unlimited_policy
worker() { # NAME SECONDS - a cycle of the company for one task, of that length
  contract "$1" 'schedule: { on: [task] }' "run: { mode: cycle, verdict: exit, timeout: 5m, command: [\"/bin/sh\", \"-c\", \"echo begun; sleep $2; echo ended\"] }" > /dev/null
  install -o agentd -g agentd -m 660 "/root/$1.yaml" $COMPANY/agents/contracts/
}
worker short 4
worker long 100
must agentctl company use $COMPANY
eventually 30 ready
short=$(agentctl task add "A short one" --to short -o name < /dev/null)
long=$(agentctl task add "A long one" --to long -o name < /dev/null)
run_of() { get '/v1/agents?all=true' | jq -r "[.items[] | select(.agent == \"$1\")] | last | .id // empty"; }
begun() { agentctl logs "$1" --output-only | grep -q begun; }
eventually 30 begun short
eventually 30 begun long

say "a stop: the short cycle ends by itself, the long one is stopped, each task is where it belongs"
began=$SECONDS
must systemctl stop agentd.socket agentd
less "seconds that the stop took" $((SECONDS - began)) 30
refused 3 agentctl ps
must_hold() { local held; held=$(find $COMPANY/agents/tasks/"$1" -name "$2*" | wc -l); is "files of $2 in $1" 1 "$held"; }
must_hold done "$short"
must_hold queued "$long"
is "agents that are left" "" "$(pgrep -fx 'sleep 100' || :)"

say "the socket alone starts it: who asks meanwhile waits for the answer"
must agentctl --version
must systemctl start agentd.socket
is "agentd before the first question" inactive "$(systemctl is-active agentd || :)"
must agentctl ps
is "agentd after it" active "$(systemctl is-active agentd)"
eventually 30 ready
is "the short one is not done again" "done" "$(task_state "$short")"
eventually 20 begun long
is "failed attempts of the long one: the stop was none" 0 "$(get "/v1/tasks/$long" | jq -r .attempt)"
is "what systemd calls failed" "" "$(systemctl --failed --plain --no-legend)"
must agentctl cycle hold long
long_run=$(agentctl ps -o name < /dev/null | grep '^long\.')
must agentctl stop "$long_run"

say "keep: a stop leaves agents, a start takes them over"
sed -i 's/^  #agents: stop/  agents: keep/' /etc/agentd/agentd.yaml
must systemctl reload agentd
steady=$(spawn "$(contract steady 'run: { mode: service, command: ["/bin/sh", "-c", "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done"] }')")
eventually 20 state_is "$steady" running
pid=$(agent "$steady" pid)
must systemctl stop agentd
is "agentd" inactive "$(systemctl is-active agentd || :)"
must kill -0 "$pid"
sleep 1
must agentctl ps # which starts it
eventually 30 ready
is "$steady after a stop and a start" "running $pid" "$(agent "$steady" state) $(agent "$steady" pid)"
log=$(agentctl logs "$steady" --output-only -n 100000 | grep -oE '[0-9]+$')
is "the numbers of its lines" "$(seq "$(wc -l <<< "$log")")" "$log"

say "a broken contract: reload says where, the one before it stays, others are taken"
broken=$COMPANY/agents/contracts/short.yaml
sed -i 's/^binding: flexible/binding: flexibel/' $broken
worker third 1
refused 1 agentctl system reload
has "what reload says" "short.yaml:" "$SAID"
has "what reload says" flexible "$SAID"
is "the contracts in force" "long short third" "$(get /v1/contracts | jq -r '[.items[].name] | sort | join(" ")')"
third=$(agentctl task add "By the third" --to third -o name < /dev/null)
within 30 "the third's task" "done" task_state "$third"
again=$(agentctl task add "By the old contract" --to short -o name < /dev/null)
within 30 "the short one's task" "done" task_state "$again"
sed -i 's/^binding: flexibel/binding: flexible/' $broken
must agentctl system reload
must agentctl audit verify
