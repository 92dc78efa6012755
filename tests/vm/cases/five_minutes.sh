# SPDX-License-Identifier: Apache-2.0
# Lanes: machine container
# Limit: 180
# Long: machine
# The README's server in five minutes, and what the package leaves: one command puts a company in force, group members
# edit it with their own umask, every manual page and completion is where the system looks for it.
. /vm/lib.sh

say "the installed configuration says nothing but the defaults, and is valid"
must agentd --check
is "agentd.yaml" "$(agentd --reference=yaml)" "$(cat /etc/agentd/agentd.yaml)"

say "a company that is put in force works"
must agentctl company init $COMPANY --example
is "whose it is" "agentd:agentd 2770" "$(stat -c '%U:%G %a' $COMPANY)"
must agentctl company use $COMPANY --scripted-model
eventually 60 ready
is "the company in force" "$COMPANY" "$(get /v1/company | jq -r .path)"
is "changed lines of agentd.yaml" 3 "$(diff <(agentd --reference=yaml) /etc/agentd/agentd.yaml | grep -c '^>' || :)"
if [ "$VM_LANE" = machine ]; then
  within 120 "tasks that are not done" 0 tasks_left
  must test -s $COMPANY/products/site/index.html
fi
is "what systemd calls failed" "" "$(systemctl --failed --plain --no-legend)"

say "a member of the group adds a task by hand, with the usual umask, and agentd can read it"
id member > /dev/null 2>&1 || useradd member
usermod -aG agentd member  # a purge before this took the group away
runuser -u member -- sh -c "umask 022; printf -- '---\nid: task-2026-1201-001\ntitle: By hand\n---\nx\n' > $COMPANY/agents/tasks/backlog/task-2026-1201-001.md"
within 20 "the task's status" backlog task_state task-2026-1201-001

say "manual and completion are in their places"
for page in agentctl.1 agentctl-company.1 agentd.yaml.5 agent-contract.5 company.7 agentd.8 agentd-spawner.8; do
  must dpkg -S "/usr/share/man/man${page##*.}/$page.gz"
done
must bash -c 'source /usr/share/bash-completion/completions/agentctl; COMP_WORDS=(agentctl task li) COMP_CWORD=2; _agentctl; [ "$COMPREPLY" = list ]'
is "agents offered" maker "$(bash -c 'source /usr/share/bash-completion/completions/agentctl; COMP_WORDS=(agentctl cycle run ma) COMP_CWORD=3; _agentctl; echo "$COMPREPLY"')"
