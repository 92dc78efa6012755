# SPDX-License-Identifier: Apache-2.0
# Lanes: machine
# Limit: 150
# The wall clock is set a day forward, and back: what runs keeps its deadline and its task, a missed schedule is caught up
# once, and none waits for the day that was taken back.
. /vm/lib.sh

set_clock() { date -s "$1" > /dev/null; }
offset=$(($(date +%s) - $(cut -d. -f1 /proc/uptime)))
tidy() { set_clock "@$((offset + $(cut -d. -f1 /proc/uptime)))"; }
trap tidy EXIT
today=$(date +%F) # ten past noon: far from any hour that a schedule names
set_clock "$today 12:10:00"
with_workers 0
contract hourly 'schedule: { cron: "0 * * * *" }' 'run: { mode: cycle, command: ["/bin/true"] }' > /dev/null
contract slow 'schedule: { on: [task] }' 'run: { mode: cycle, timeout: 1m, command: ["/bin/sleep", "14"] }' > /dev/null
install -o agentd -g agentd -m 640 /root/hourly.yaml /root/slow.yaml $COMPANY/agents/contracts/
must agentctl system reload
for n in $(seq 6); do must agentctl task add "by the hour $n" --to hourly; done
held=$(agentctl task add "held through it all" --to slow -o name < /dev/null)
within 20 "status of the slow task" in-progress task_state "$held"
hourly_runs() { audit_kinds > /dev/null; get '/v1/tasks?status=done' | jq '[.items[] | select(.title | startswith("by the hour"))] | length'; }
is "hourly runs before an hour has struck" 0 "$(hourly_runs)"

sleeper() { spawn "$(contract sleeper 'restart: { policy: "no" }' "run: { mode: job, timeout: $1, command: [\"/bin/sleep\", \"1000\"] }")"; }
ended_by() { get "/v1/audit?limit=1000" | jq -r --arg id "$1" '.items[] | select(.kind == "instance.ended" and .instance == $id) | .data.limit'; }
first=$(sleeper 8s)
eventually 20 state_is "$first" running

say "a day forward"
set_clock "$(date -d '+1 day' '+%F %T')"
within 20 "hourly runs, of the twenty-four that were missed" 1 hourly_runs
is "a deadline of 8 s, meanwhile" running "$(agent "$first" state)"
sleep 5
is "hourly runs a while later" 1 "$(hourly_runs)"
within 15 "what ended the first sleeper" run.timeout ended_by "$first"
less "seconds that it ran" "$(agent "$first" exit.ran_ns | awk '{ print $1 / 1e9 }')" 13

say "and back"
second=$(sleeper 8s)
eventually 20 state_is "$second" running
set_clock "$(date -d '-1 day' '+%F %T')"
must agentctl task add "after the step" --to thinker
within 20 "what ended the second sleeper" run.timeout ended_by "$second"
is "hourly runs, none of them for an hour that was before" 1 "$(hourly_runs)"
within 20 "status of the slow task" "done" task_state "$held"
is "its claims" 1 "$(get "/v1/audit?limit=1000" | jq --arg id "$held" '[.items[] | select(.kind == "task.claimed" and .task == $id)] | length')"

say "the next hour strikes as it would have"
set_clock "$today 12:59:58"
within 20 "hourly runs" 2 hourly_runs
sleep 3
is "hourly runs a while later" 2 "$(hourly_runs)"
is "restarts of agentd" 0 "$(property agentd NRestarts)"
must agentctl audit verify
