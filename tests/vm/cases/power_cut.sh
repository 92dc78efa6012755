# SPDX-License-Identifier: Apache-2.0
# Lanes: machine
# Limit: 240
# Boot: own
# The machine loses its power while the company works. On the same disk again: no task lost, none done twice, the audit
# log whole, and the rest of the work is done.
. /vm/lib.sh

if [ "$VM_BOOT" = 1 ]; then
  with_company
  some_done() { [ "$(get '/v1/tasks?status=done' | jq '.items | length')" -ge 2 ]; }
  eventually 90 some_done
  get '/v1/tasks?status=done' | jq -r '.items[].id' | sort > /root/done-before
  sync /root/done-before
  cut_power 0.3 # while the next are at work
  sleep 60
  fail "the power was to be cut"
fi

is "the boot" 2 "$VM_BOOT"
eventually 60 ready
no_more "agentd at this boot, start to ready, with what a cut left, ms, $(how_measured)" "$(milliseconds_to_ready)" "$(ready_limit)"
is "agentd.service" active "$(systemctl is-active agentd)"
say "what was done before stays done: $(tr '\n' ' ' < /root/done-before)"
[ "$(wc -l < /root/done-before)" -ge 2 ] || fail "the list from before the cut is not there"
is "tasks that were done and are not any more" "" \
  "$(get '/v1/tasks?status=done' | jq -r '.items[].id' | sort | comm -13 - /root/done-before)"
within 150 "tasks that are not done" 0 tasks_left
is "tasks done" 12 "$(get '/v1/tasks?status=done' | jq '.items | length')"
is "tasks failed" 0 "$(get '/v1/tasks?status=failed' | jq '.items | length')"
is "files of tasks, each once" "" "$(find $COMPANY/agents/tasks -name 'task-*.md' -printf '%f\n' | sort | uniq -d)"
say "no task was completed twice"
is "tasks with two completions" "" \
  "$(jq -r 'select(.kind == "task.completed") | .task' /var/lib/agentd/audit/*.jsonl | sort | uniq -d)"
must agentctl audit verify
spent=$(get '/v1/costs?by=agent' | jq '[.items[].cost_micro_usd] | add')
is "what finance/costs adds up to" "$spent" "$(cat $COMPANY/finance/costs/*.jsonl | jq -s 'map(.cost_micro_usd) | add')"
