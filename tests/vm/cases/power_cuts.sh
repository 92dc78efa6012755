# SPDX-License-Identifier: Apache-2.0
# Lanes: machine
# Limit: 1200
# Boot: own
# Long: yes
# Ten power cuts of the same disk, each at another moment of the work: claims, model calls, audit. What was on record before a cut is so
# after it, no finished task is worked on again, and in the end all is done.
. /vm/lib.sh

CUTS=10
runs=$COMPANY/knowledge/runs
lines_of() { # TASKS... on stdin - each with the number of its executions
  local id
  while read -r id; do
    [ ! -e "$runs/$id" ] || echo "$id $(wc -l < "$runs/$id")"
  done
}
# What is true now and has to stay so; on the disk before the next cut can come.
remember() {
  rm -rf /root/kept.new; mkdir /root/kept.new
  tasks_that_are "done" > /root/kept.new/done
  spent > /root/kept.new/spent
  lines_of < /root/kept.new/done > /root/kept.new/lines
  sync
  rm -rf /root/kept.old; [ ! -d /root/kept ] || mv /root/kept /root/kept.old
  mv /root/kept.new /root/kept; sync
}

if [ "$VM_BOOT" = 1 ]; then
  with_workers 1
else
  [ -d /root/kept ] || mv /root/kept.old /root/kept
  eventually 60 ready
  say "boot $VM_BOOT: $(wc -l < /root/kept/done) done before the cut, ready in $(milliseconds_to_ready) ms"
  is "tasks that were done and are not any more" "" "$(tasks_that_are "done" | comm -13 - /root/kept/done)"
  is "executions of finished tasks" "$(cat /root/kept/lines)" "$(lines_of < /root/kept/done)"
  [ "$(spent)" -ge "$(cat /root/kept/spent)" ] || fail "the books lost money: $(spent) of $(cat /root/kept/spent)"
  must agentctl audit verify
fi
keep_remembering() { while remember; do sleep 0.2; done; }
add() { # TITLE AGENT - and what was answered is noted
  local id
  id=$(agentctl task add "$1" --to "$2" --attempts 30 -o name < /dev/null)
  echo "$id" >> /root/taken
  sync /root/taken
}
if [ "$VM_BOOT" -le $CUTS ]; then
  remember
  # From 2 to 8 s on, never the same, while tasks come, are claimed and done.
  cut_power "$(awk -v n="$VM_BOOT" 'BEGIN { printf "%.2f", 2 + (n * 2.33) % 6 }')"
  keep_remembering &
  for n in $(seq 200); do
    add "count $VM_BOOT $n" shell
    add "think $VM_BOOT $n" thinker
  done
  fail "the power was to be cut"
fi

within 300 "tasks that are not done" 0 tasks_left
is "tasks that failed" "" "$(tasks_that_are failed)"
[ "$(wc -l < /root/taken)" -ge $((CUTS * 2)) ] || fail "only $(wc -l < /root/taken) tasks were taken"
is "tasks that were taken and are not done" "" "$(tasks_that_are "done" | comm -13 - <(grep -x 'task-[0-9-]*' /root/taken | sort -u))"
whole_books
note "$CUTS power cuts, $(tasks_that_are "done" | wc -l) tasks done, $(find $runs -type f | wc -l) of them by the program in $(cat $runs/* | wc -l) executions"
