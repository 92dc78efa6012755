# SPDX-License-Identifier: Apache-2.0
# Lanes: container
# Limit: 90
# A company outside /srv, with the drop-in that docs/operations.md names; without it agentd cannot write there, and says so.
. /vm/lib.sh

unlimited_policy
elsewhere=/var/companies/acme
mkdir -p /var/companies
must agentctl company init $elsewhere --example
say "without the drop-in nothing is written there, and agentd says why"
agentctl company use $elsewhere --scripted-model > /vm/said 2>&1 < /dev/null || :
sleep 2
is "tasks done without it" 0 "$(find $elsewhere/agents/tasks/done -name 'task-*' 2> /dev/null | wc -l)"
has "what agentd says" "ead-only file system" "$(cat /vm/said; journalctl -u agentd --no-pager -o cat)"

say "with it, it works"
mkdir -p /etc/systemd/system/agentd.service.d
printf '[Service]\nReadWritePaths=%s\n' $elsewhere > /etc/systemd/system/agentd.service.d/company.conf
must systemctl daemon-reload
systemctl reset-failed agentd || :
must systemctl restart agentd
eventually 30 ready
done_tasks() { find $elsewhere/agents/tasks/done -name 'task-*' | wc -l; }
within 60 "tasks done" 12 done_tasks
must agentctl audit verify
rm -r /etc/systemd/system/agentd.service.d /var/companies
must systemctl daemon-reload
