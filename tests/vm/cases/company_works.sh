# SPDX-License-Identifier: Apache-2.0
# Lanes: machine container
# Limit: 150
# The example company does all its work with the scripted model, and the books agree.
. /vm/lib.sh

with_company
within 120 "tasks that are not done" 0 tasks_left

say "twelve tasks done, the malformed one aside, their files there"
is "tasks done" 12 "$(get '/v1/tasks?status=done' | jq '.items | length')"
is "tasks failed" 0 "$(get '/v1/tasks?status=failed' | jq '.items | length')"
is "files in quarantine" 1 "$(find $COMPANY/operations/quarantine -type f ! -name '*.reason' | wc -l)"
must test -s $COMPANY/products/site/index.html

say "ledger and files of costs agree, and the audit log is whole"
spent=$(get '/v1/costs?by=agent' | jq '[.items[].cost_micro_usd] | add')
is "what finance/costs adds up to" "$spent" "$(cat $COMPANY/finance/costs/*.jsonl | jq -s 'map(.cost_micro_usd) | add')"
[ "$spent" -gt 0 ] || fail "the work was to cost something, and cost $spent"
must agentctl audit verify

say "a machine that enforces limits says so, each is set on the agents"
if [ "$VM_LANE" = machine ]; then
  is "controllers for agents" "cpu io memory pids" "$(get /v1/system | jq -r '.controllers | sort | join(" ")')"
fi
