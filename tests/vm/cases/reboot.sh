# SPDX-License-Identifier: Apache-2.0
# Lanes: machine container
# Limit: 240
# Boot: own
# Long: machine
# The machine is rebooted while a cycle and a service run: agentd stops before the spawner and the spawner before the keeper,
# what ran was stopped and not lost, its task is queued with no attempt counted, and the next boot goes on with it.
. /vm/lib.sh

if [ "$VM_BOOT" = 1 ]; then
  must agentctl company init $COMPANY
  sed -i 's/^  #grace: 10s/  grace: 2s/' /etc/agentd/agentd.yaml
  unlimited_policy
  contract long 'schedule: { on: [task] }' 'run: { mode: cycle, verdict: exit, timeout: 10m, command: ["/bin/sh", "-c", "echo begun; sleep 500"] }' > /dev/null
  install -o agentd -g agentd -m 660 /root/long.yaml $COMPANY/agents/contracts/
  must agentctl company use $COMPANY
  eventually 60 ready
  agentctl task add "A long one" --to long -o name < /dev/null > /root/task
  agentctl task add "One for later" --to long -o name < /dev/null > /root/later
  begun() { agentctl logs long --output-only | grep -q begun; }
  eventually 60 begun
  agentctl ps -o name < /dev/null | grep '^long\.' > /root/cycle
  spawn "$(contract steady 'run: { mode: service, command: ["/bin/sleep", "1000"] }')" > /root/service
  eventually 30 state_is "$(cat /root/service)" running
  for unit in agentd agentd-spawner agentd-agents; do
    mkdir -p /etc/systemd/system/$unit.service.d
    printf '[Service]\nExecStopPost=+/bin/sh -c "echo %s >> /root/stopped"\n' $unit > /etc/systemd/system/$unit.service.d/order.conf
  done
  must systemctl daemon-reload
  audit_kinds | sort | uniq -c > /root/kinds-before
  sync
  reboot_system
fi

is "the boot" 2 "$VM_BOOT"
rm -rf /etc/systemd/system/agentd*.service.d/order.conf
eventually 60 ready
no_more "agentd at this boot, start to ready, after a reboot, ms, $(how_measured)" "$(milliseconds_to_ready)" "$(ready_limit)"
is "what stopped, in order" "agentd agentd-spawner agentd-agents" "$(xargs < /root/stopped)"
audit() { cat /var/lib/agentd/audit/*.jsonl; }
for id in $(cat /root/cycle /root/service); do
  is "the state of $id" exited "$(agent "$id" state)"
  say "$id: $(agent "$id" reason)"
  is "ends of $id in the audit log" 1 "$(audit | jq -r "select(.kind == \"instance.ended\" and .instance == \"$id\") | .seq" | wc -l)"
done
is "what was lost" "" "$(audit | jq -r 'select(.kind | test("lost")) | .instance')"
is "agentd's own words: started, stopping, stopped, started" "agentd.stopping agentd.stopped agentd.started" \
  "$(audit | jq -r 'select(.kind | test("^agentd\\.(started|stopping|stopped)$")) | .kind' | tail -3 | xargs)"
is "agents that it left running" 0 "$(audit | jq -r 'select(.kind == "agentd.stopped") | .data.left_running' | tail -1)"

say "the task went back with no attempt counted, and is taken up again"
task=$(cat /root/task)
is "failed attempts" 0 "$(get "/v1/tasks/$task" | jq -r .attempt)"
begun_again() { [ "$(agentctl ps -o name < /dev/null | grep -c '^long\.')" = 1 ] && agentctl logs long --output-only | grep -q begun; }
eventually 60 begun_again
[ "$(agentctl ps -o name < /dev/null | grep '^long\.')" != "$(cat /root/cycle)" ] || fail "it is the run of before the reboot"
is "the state of the one that came first" in-progress "$(task_state "$task")"
is "the state of the other" queued "$(task_state "$(cat /root/later)")"
is "files of tasks, each once" "" "$(find $COMPANY/agents/tasks -name 'task-*.md' -printf '%f\n' | sort | uniq -d)"
must agentctl audit verify
is "what systemd calls failed" "" "$(systemctl --failed --plain --no-legend | grep agentd || :)"
