# SPDX-License-Identifier: Apache-2.0
# Lanes: machine container
# Limit: 60
# Start: bare
# Long: machine
# The package alone leaves a running service that its group can talk to, and nobody else.
. /vm/lib.sh

must install_agentd
within 60 "agentd.service" active systemctl is-active agentd
eventually 60 ready
is "what systemd calls failed" "" "$(systemctl --failed --plain --no-legend)"

say "a member of group agentd may look; somebody else may not even ask"
id member > /dev/null 2>&1 || useradd member
usermod -aG agentd member  # a purge before this took the group away
id stranger > /dev/null 2>&1 || useradd stranger
must runuser -u member -- agentctl system info
must runuser -u member -- agentctl ps
refused 4 runuser -u member -- agentctl system reload
refused 4 runuser -u stranger -- agentctl ps
has "what the stranger is told" "members of the group" "$SAID"

say "it starts with the machine, and again by hand"
is "agentd.service at boot" enabled "$(systemctl is-enabled agentd.service)"
must systemctl stop agentd
within 20 "agentd.service" inactive systemctl is-active agentd
must systemctl start agentd
eventually 60 ready
