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
[ "$(spent)" -gt 0 ] || fail "the work was to cost something"
whole_books

say "a machine that enforces limits says so, each is set on the agents"
if [ "$VM_LANE" = machine ]; then
  is "controllers for agents" "cpu io memory pids" "$(get /v1/system | jq -r '.controllers | sort | join(" ")')"
fi
