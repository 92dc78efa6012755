# SPDX-License-Identifier: Apache-2.0
# Lanes: container
# Limit: 180
# A newer package is installed while ten services and ten cycles of a company are in mid-run: the same processes go on, each cycle's
# task is done once, at its first attempt. Then the same package again, and the next: nobody is disturbed, nothing is asked.
. /vm/lib.sh

must agentctl company init $COMPANY
sed -i 's/^  #concurrent_cycles: 8/  concurrent_cycles: 20/' /etc/agentd/agentd.yaml
unlimited_policy
count='i=0; while [ ! -e /workspace/go/end ]; do i=$((i+1)); echo line $i; sleep 0.2; done'
mkdir -p $COMPANY/products/go; chown -R agentd: $COMPANY/products/go
place() { install -o agentd -g agentd -m 660 "$1" $COMPANY/agents/contracts/; }
mount='workspace: { mounts: [{ source: products/go, target: /workspace/go, mode: ro }] }'
for n in 0 1 2 3 4 5 6 7 8 9; do
  place "$(contract "cycle$n" 'schedule: { on: [task] }' "$mount" "run: { mode: cycle, verdict: exit, timeout: 5m, command: [\"/bin/sh\", \"-c\", \"$count; exit $((n == 9))\"] }")"
  place "$(contract "service$n" "$mount" "run: { mode: service, command: [\"/bin/sh\", \"-c\", \"$count; exec sleep 1000\"] }")"
done
must agentctl company use $COMPANY
eventually 30 ready
tasks=()
for n in 0 1 2 3 4 5 6 7 8 9; do tasks+=("$(agentctl task add "Task $n" --to "cycle$n" --attempts 1 -o name < /dev/null)"); done
live() { get /v1/agents | jq -r '.items[] | select(.state == "running") | "\(.id) \(.pid)"' | sort; }
number() { live | wc -l; }
within 60 "agents that run" 20 number
before=$(live) keeper=$(main_pid agentd-agents)

undisturbed() { # AFTER
  eventually 30 ready
  is "the agents and their pids after $1" "$before" "$(live)"
  is "the keeper's pid after $1" "$keeper" "$(main_pid agentd-agents)"
  is "what systemd calls failed after $1" "" "$(systemctl --failed --plain --no-legend)"
  for unit in agentd agentd-spawner; do
    lacks "the program of $unit after $1" deleted "$(readlink /proc/"$(main_pid $unit)"/exe)"
  done
}
quiet() { # what apt says, without a line that would worry an operator
  local said
  said=$(apt-get install -y "$1" 2>&1 < /dev/null) || fail "apt install $1: $said"
  is "worrying words of apt" "" "$(grep -iE 'warning|error|fail|denied|no such|cannot|unsafe|conffile' <<< "$said" | grep -v 'unsandboxed' || :)"
}
say "a newer one"
newer=$(newer_deb 9.9.9)
quiet "$newer"
undisturbed "the upgrade"
say "the same again, as apt takes it and as dpkg does"
daemon=$(main_pid agentd)
quiet "$newer"
is "agentd's pid after an install of what is there" "$daemon" "$(main_pid agentd)"
must dpkg -i "$newer"
undisturbed "the same package again"
quiet "$(newer_deb 9.9.10)"
undisturbed "the next one"

say "each ends as it wants to, and no line is missing"
touch $COMPANY/products/go/end
for n in 0 1 2 3 4 5 6 7 8; do within 30 "the task of cycle$n" "done" task_state "${tasks[$n]}"; done
within 30 "the task of cycle9, which ends with 1" failed task_state "${tasks[9]}"
while read -r id _; do
  numbers=$(agentctl logs "$id" --output-only -n 100000 | grep -oE '[0-9]+$')
  is "the numbers of $id's lines" "$(seq "$(wc -l <<< "$numbers")")" "$numbers"
done <<< "$before"
is "runs of each cycle" 10 "$(get '/v1/agents?all=true' | jq '[.items[] | select(.agent | startswith("cycle"))] | length')"
must agentctl audit verify
is "runs that were lost" 0 "$(audit_kinds | grep -c lost || :)"
