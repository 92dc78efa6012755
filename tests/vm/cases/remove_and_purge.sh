# SPDX-License-Identifier: Apache-2.0
# Lanes: machine container
# Limit: 120
# Long: machine
# A removal keeps what is the operator's, a purge leaves nothing of agentd and everything of the company.
. /vm/lib.sh

must agentctl company init $COMPANY --example
must agentctl company use $COMPANY --no-restart
echo "contract: of root" > /etc/agents/kept.txt

say "remove: nothing runs, everything is kept"
must apt-get remove -y agentd
refused 1 pgrep -x agentd
refused 1 pgrep -x agentd-keeper
refused 1 pgrep -x agentd-spawner
for kept in /etc/agentd/agentd.yaml /var/lib/agentd/agentd.db /var/lib/agentd-root /var/log/agentd $COMPANY/company.yaml; do must test -e $kept; done
must id agentd

say "installed again, it finds all of it"
must install_agentd
eventually 60 ready
is "the company" "$COMPANY" "$(get /v1/company | jq -r .path)"
must agentctl audit verify

say "purge: nothing of agentd is left, all of the company"
must apt-get purge -y agentd
for gone in /etc/agentd /var/lib/agentd /var/lib/agentd-root /var/log/agentd /run/agentd /usr/lib/agentd /etc/apparmor.d/agentd; do
  must test ! -e $gone
done
refused 2 getent passwd agentd
refused 2 getent group agentd-admin
must test -e $COMPANY/company.yaml
must test -e /etc/agents/kept.txt
is "units that are left" "" "$(systemctl list-unit-files --no-legend 'agentd*' | grep -v transient || :)"
is "links that are left" "" "$(find /etc/systemd /var/lib/systemd/deb-systemd-helper-enabled -name 'agentd*' 2> /dev/null || :)"
rm -rf $COMPANY /etc/agents

say "a user and a group that were there before are the operator's: a purge leaves them"
must groupadd --gid 4711 agentd
must useradd --uid 4711 --gid 4711 --no-create-home --shell /usr/sbin/nologin agentd
must install_agentd
eventually 60 ready
is "the daemon's user" 4711 "$(stat -c %u /proc/"$(main_pid agentd)")"
must apt-get purge -y agentd
is "the user after the purge" 4711 "$(id -u agentd)"
is "the group after the purge" 4711 "$(getent group agentd | cut -d: -f3)"
refused 2 getent group agentd-admin
must test ! -e /var/lib/agentd
must userdel agentd
