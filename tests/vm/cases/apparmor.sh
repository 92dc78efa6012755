# SPDX-License-Identifier: Apache-2.0
# Lanes: machine
# Limit: 240
# Both profiles are enforced, and a company at work, an agent with a shell, a reload, restarts and an upgrade are denied nothing.
. /vm/lib.sh

if ! grep -q Y /sys/module/apparmor/parameters/enabled 2> /dev/null; then fail "this kernel has no AppArmor to prove it with"; fi
must aa-enabled
cursor=$(journalctl -b -n 0 --show-cursor | sed -n 's/^-- cursor: //p')
denied() { journalctl --sync; journalctl -b --no-pager -o cat --after-cursor "$cursor" | grep -E 'apparmor="(DENIED|ALLOWED)"' | sort -u || :; }
confined() { cat "/proc/$(main_pid "$1")/attr/current"; }
both_confined() {
  is "what agentd is under" "agentd (enforce)" "$(confined agentd)"
  is "what the spawner is under" "agentd-spawner (enforce)" "$(confined agentd-spawner)"
}
both_confined
is "profiles of ours in the kernel" "agentd (enforce) agentd-spawner (enforce)" "$(grep -E '^agentd' /sys/kernel/security/apparmor/profiles | sort | xargs)"

say "a company does its work, an agent of it with a shell"
with_company
cat >> $COMPANY/agents/contracts/sheller.yaml <<'CONTRACT'
apiVersion: agentos/v0.2
kind: AgentContract
name: sheller
binding: flexible
capabilities: [fs.write, shell.exec, task.complete]
modelPolicy: { allow: ["lab/shell"] }
schedule: { on: [task] }
run: { mode: cycle, timeout: 1m }
CONTRACT
cat > /etc/agentd/shell-model.yaml <<'MODEL'
models: [lab/shell]
rules:
  - name: first
    when: { agent: sheller, turn: 1 }
    answer: { tool_calls: [ { name: shell.exec, arguments: { command: "id -u && ls /usr > /home/agent/list && sort /home/agent/list | head -3" } } ], usage: { input: 10, output: 10 } }
  - name: last
    when: { agent: sheller, turn: "2.." }
    answer: { tool_calls: [ { name: task.complete, arguments: { outcome: success, handoff: { changed: nothing } } } ], usage: { input: 10, output: 10 } }
MODEL
chown agentd: $COMPANY/agents/contracts/sheller.yaml
sed -i 's|^models: \[|models: [{ driver: scripted, script: /etc/agentd/shell-model.yaml }, |' /etc/agentd/agentd.yaml
must systemctl restart agentd
eventually 60 ready
shelled=$(agentctl task add "run a command" --to sheller -o name < /dev/null)
within 150 "tasks that are not done" 0 tasks_left
is "the task with a shell" "done" "$(task_state "$shelled")"

say "reload, restarts, kill, an upgrade with an agent in it"
must agentctl system reload
stays=$(spawn "$(contract stays 'run: { mode: job, command: ["/bin/sleep", "1000"] }')")
eventually 20 state_is "$stays" running
must systemctl restart agentd-spawner agentd
eventually 60 ready
must dpkg -i "$(newer_deb 9.9.8)"
eventually 60 ready
is "the agent after the upgrade" running "$(agent "$stays" state)"
must agentctl kill "$stays"
eventually 20 state_is "$stays" exited
must agentctl audit verify
both_confined
is "what was denied" "" "$(denied)"

say "and what it may not do is denied and seen: the profile is what stands there"
refused 1 aa-exec -p agentd -- /bin/touch /opt/agentd-probe
refused 1 test -e /opt/agentd-probe
has "what was denied" 'profile="agentd"' "$(denied)"
