# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What a case is written with; sourced inside the machine or container. Every assertion says what was expected and found.
# VM_LANE: machine or container. VM_BOOT: 1, one more after each power cut. VM_DEB: the package under test.
set -Eeuo pipefail
trap 'echo "FAILED: $BASH_SOURCE:$LINENO: $BASH_COMMAND (status $?)" >&2' ERR
VM_DEB=$(ls /vm/debs/*.deb 2> /dev/null | head -1 || :)
export DEBIAN_FRONTEND=noninteractive
COMPANY=/srv/acme

say() { echo "- $*"; }
fail() { trap - ERR; echo "FAILED: $*" >&2; exit 1; }

# is WHAT EXPECTED FOUND
is() { [ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"; }
# less WHAT FOUND LIMIT - numbers, decimals too
less() { awk -v a="$2" -v b="$3" 'BEGIN { exit !(a != "" && a + 0 < b + 0) }' || fail "$1: expected less than $3, found '$2'"; }
# has WHAT PART TEXT, lacks WHAT PART TEXT
has() { case $3 in *"$2"*) ;; *) fail "$1: expected '$2' in: $3" ;; esac; }
lacks() { case $3 in *"$2"*) fail "$1: expected no '$2' in: $3" ;; esac; }

# must COMMAND... - it succeeds; what it said is shown when it does not
must() {
  local said status=0
  said=$("$@" 2>&1 < /dev/null) || status=$?
  [ $status = 0 ] || fail "'$*' was to succeed and ended with $status: $said"
}
# refused STATUS COMMAND... - it ends with just that status; what it said is in $SAID
refused() {
  local want=$1 status=0
  shift
  SAID=$("$@" 2>&1 < /dev/null) || status=$?
  is "the status of '$*' (it said: $SAID)" "$want" "$status"
}
# eventually SECONDS COMMAND... - it succeeds within that time
eventually() {
  local limit=$1 began=$SECONDS
  shift
  until "$@" > /vm/last 2>&1 < /dev/null; do
    [ $((SECONDS - began)) -lt "$limit" ] || fail "'$*' did not come true in $limit s; the last time it said: $(tail -5 /vm/last)"
    sleep 0.2
  done
}
# within SECONDS WHAT EXPECTED COMMAND... - the command comes to say that
within() {
  local limit=$1 what=$2 want=$3 began=$SECONDS found
  shift 3
  while found=$("$@" 2>&1 < /dev/null || :); [ "$found" != "$want" ]; do
    [ $((SECONDS - began)) -lt "$limit" ] || fail "$what: expected '$want' within $limit s, found '$found'"
    sleep 0.2
  done
}

# --- agentd

ready() { curl -sf --max-time 5 --unix-socket /run/agentd/agentd.sock http://agentd/readyz; }
get() { curl -sf --max-time 20 --unix-socket /run/agentd/agentd.sock "http://agentd$1"; }
property() { systemctl show --property "$2" --value "$1"; }
main_pid() { property "$1" MainPID; }
agent() { get "/v1/agents/$1" | jq -r ".$2"; }               # agent ID FIELD
state_is() { [ "$(agent "$1" state)" = "$2" ]; }
task_state() { get "/v1/tasks/$1" | jq -r .status; }
tasks_left() { echo $(($(get '/v1/tasks?status=queued' | jq '.items | length') + $(get '/v1/tasks?status=in-progress' | jq '.items | length'))); }
audit_kinds() { get "/v1/audit?limit=1000" | jq -r '.items[].kind'; }

purge_agentd() {
  if dpkg-query -W agentd > /dev/null 2>&1; then
    dpkg --purge agentd > /vm/purge.log 2>&1 < /dev/null || { cat /vm/purge.log; return 1; }
  fi
  systemctl daemon-reload
  systemctl reset-failed 2> /dev/null || :
  rm -rf $COMPANY
}
install_agentd() { dpkg -i "${1:-$VM_DEB}" > /vm/install.log 2>&1 < /dev/null || { cat /vm/install.log; return 1; }; }
fresh_agentd() { purge_agentd; install_agentd; eventually 60 ready; }

# with_company - the example company, at work with the scripted model, as the README makes it (Start: installed)
with_company() {
  must agentctl company init $COMPANY --example
  # With prices, so that there is something in the books; without limits where this kernel has none for us.
  printf 'prices:\n  "house/*": { input: 0.80, output: 4.00 }\n' >> /etc/agentd/agentd.yaml
  [ "$VM_LANE" = machine ] || unlimited_policy
  must agentctl company use $COMPANY --scripted-model
  eventually 60 ready
}

# note WORDS - a figure of the report: the lane prints it, whatever becomes of the case
note() { say "$*"; echo "note $*" >&3; }

# no_more WHAT FOUND LIMIT - a figure that was promised
no_more() {
  note "$1: $2 (at most $3)"
  awk -v a="$2" -v b="$3" 'BEGIN { exit !(a + 0 > 0 && a + 0 <= b + 0) }' || fail "$1: expected at most $3, found '$2'"
}
# A start is promised in a second; emulated, on a host that has other work, it is given three.
ready_limit() { if grep -q vm.emulated=1 /proc/cmdline; then echo 3000; else echo 1000; fi; }
how_measured() { if grep -q vm.emulated=1 /proc/cmdline; then echo "under emulation"; else echo native; fi; }
# milliseconds_to_ready - from the start of agentd's unit until it said that it is ready
milliseconds_to_ready() {
  echo $((($(property agentd ActiveEnterTimestampMonotonic) - $(property agentd InactiveExitTimestampMonotonic)) / 1000))
}

# with_workers EACH - a company of two agents with EACH tasks of each: `shell`, a program that leaves a line in a file of the
# task's name at each execution, and `thinker`, which calls the scripted model twice
with_workers() {
  local n
  must agentctl company init $COMPANY
  cat > /etc/agentd/work.yaml <<'MODEL'
models: [house/scripted]
rules:
  - name: first
    when: { turn: 1 }
    delay: 150ms
    answer: { text: "thinking", tool_calls: [ { name: fs.list, arguments: { path: /workspace } } ], usage: { input: 1000, output: 100 } }
  - name: last
    when: { turn: "2.." }
    delay: 100ms
    answer: { tool_calls: [ { name: task.complete, arguments: { outcome: success, handoff: { changed: nothing } } } ], usage: { input: 1200, output: 10 } }
MODEL
  printf 'models: [{ driver: scripted, script: /etc/agentd/work.yaml }]\nprices:\n  "house/*": { input: 0.80, output: 4.00 }\n' >> /etc/agentd/agentd.yaml
  install -d -o agentd -g agentd $COMPANY/knowledge/runs
  contract shell 'schedule: { on: [task] }' 'workspace: { mounts: [{ source: knowledge/runs, target: /workspace, mode: rw }] }' \
    'run: { mode: cycle, timeout: 2m, command: ["/bin/bash", "-c", "echo x >> /workspace/$AGENT_TASK && sync /workspace/$AGENT_TASK && sleep 0.2"] }' > /dev/null
  contract thinker 'schedule: { on: [task] }' 'workspace: { mounts: [{ source: knowledge/runs, target: /workspace, mode: ro }] }' \
    'capabilities: [fs.list, task.complete, task.fail]' 'modelPolicy: { allow: ["house/*"] }' 'run: { mode: cycle, timeout: 2m }' > /dev/null
  install -o agentd -g agentd -m 640 /root/shell.yaml /root/thinker.yaml $COMPANY/agents/contracts/
  must agentctl company use $COMPANY
  eventually 60 ready
  for n in $(seq "$1"); do
    must agentctl task add "count $n" --to shell --attempts 30
    must agentctl task add "think $n" --to thinker --attempts 30
  done
}
tasks_that_are() { get "/v1/tasks?status=$1" | jq -r '.items[].id' | sort; }
spent() { get '/v1/costs?by=agent' | jq '[.items[].cost_micro_usd] | add // 0'; }
# whole_books - nothing twice, the costs agree, the audit log is whole
whole_books() {
  is "files of tasks, each once" "" "$(find $COMPANY/agents/tasks -name 'task-*.md' -printf '%f\n' | sort | uniq -d)"
  is "tasks with two completions" "" \
    "$(cat /var/lib/agentd/audit/*.jsonl | jq -r 'select(.kind == "task.completed") | .task' | sort | uniq -d)"
  within 20 "what finance/costs adds up to" "$(spent)" sh -c "cat $COMPANY/finance/costs/*.jsonl | jq -s 'map(.cost_micro_usd) | add // 0'"
  must agentctl audit verify
}

# contract NAME LINES... - writes /root/NAME.yaml, an agent that is one program; prints the path
contract() {
  local name=$1
  shift
  {
    printf 'apiVersion: agentos/v0.2\nkind: AgentContract\nname: %s\n' "$name"
    [[ "$*" == *binding:* ]] || echo 'binding: flexible'
    printf '%s\n' "$@"
  } > "/root/$name.yaml"
  echo "/root/$name.yaml"
}
# spawn FILE - starts it, prints the instance
spawn() { agentctl spawn --contract "$1" -o json < /dev/null | jq -r '.id // .instance'; }
# allow_unlimited - for the container, where the host may have no controllers for us. What stands below `policy:` in the file
# as it comes are comments.
unlimited_policy() {
  local line='policy: { allow_unlimited_without_controllers: true }'
  ! grep -q '^  allow_unlimited_without_controllers: true' /etc/agentd/agentd.yaml 2> /dev/null || return 0
  grep -q '^policy:' /etc/agentd/agentd.yaml 2> /dev/null || echo policy: >> /etc/agentd/agentd.yaml
  sed -i "s/^policy:\$/$line/" /etc/agentd/agentd.yaml
}
allow_unlimited() {
  unlimited_policy
  must systemctl restart agentd
  eventually 60 ready
}

# newer_deb VERSION - the same package with that version; prints its path
newer_deb() {
  local tree=/vm/newer out=/vm/debs-newer
  rm -rf $tree; mkdir -p $out
  dpkg-deb -R "$VM_DEB" $tree
  sed -i "s/^Version:.*/Version: $1/" $tree/DEBIAN/control
  find $tree/usr -type f -exec touch {} +
  dpkg-deb -Znone -b $tree "$out/agentd_$1.deb" > /dev/null
  rm -rf $tree
  echo "$out/agentd_$1.deb"
}

# cut_power [SECONDS] - the machine loses its power, now or in that time while the case goes on; the disk is booted again and
# the case run from its first line, with VM_BOOT one higher. Machine only; the header must say `Boot: own`.
cut_power() {
  is "the lane of a power cut" machine "$VM_LANE"
  echo "cut ${1:-0}" >&3
  [ -n "${1:-}" ] || sleep infinity
}

# reboot_system - as an operator does it; the case is run from its first line at the next boot, with VM_BOOT one higher. Needs
# `Boot: own`.
reboot_system() {
  touch /run/vm-rebooting
  echo reboot >&3
  systemctl reboot
  sleep infinity
}
