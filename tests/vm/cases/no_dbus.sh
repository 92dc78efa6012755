# SPDX-License-Identifier: Apache-2.0
# Lanes: container
# Limit: 90
# Boot: own
# A server without D-Bus: a restart disturbs no agent, a stop ends them, a plain kill does not.
. /vm/lib.sh

sed -i 's/^  #grace: 10s/  grace: 1s/' /etc/agentd/agentd.yaml
allow_unlimited
systemctl stop dbus.socket dbus.service 2> /dev/null
systemctl mask --runtime dbus.socket dbus.service 2> /dev/null
rm -f /run/dbus/system_bus_socket
must test ! -e /run/dbus/system_bus_socket
steady=$(spawn "$(contract steady 'run: { mode: service, command: ["/bin/sleep", "1000"] }')")
eventually 20 state_is "$steady" running
pid=$(agent "$steady" pid)
undisturbed() { eventually 30 ready; is "$steady after $1" "running $pid" "$(agent "$steady" state) $(agent "$steady" pid)"; }

must systemctl restart agentd
undisturbed "a restart"
has "what agentd said" "the unit is restarted: agents go on" "$(journalctl -u agentd --no-pager)"
kill -TERM "$(main_pid agentd)"
sleep 1
undisturbed "a plain SIGTERM"

must systemctl stop agentd.socket agentd
has "what agentd said" "the unit is stopped" "$(journalctl -u agentd --no-pager)"
is "its agent" gone "$(kill -0 "$pid" 2> /dev/null && echo alive || echo gone)"
must systemctl start agentd.socket agentd
eventually 30 ready
is "$steady after the stop" exited "$(agent "$steady" state)"

say "the control: without what the unit says nobody knows, and agents go on"
mkdir -p /run/systemd/system/agentd.service.d
printf '[Service]\nExecStop=\n' > /run/systemd/system/agentd.service.d/test.conf
must systemctl daemon-reload
other=$(spawn "$(contract other 'run: { mode: service, command: ["/bin/sleep", "1000"] }')")
eventually 20 state_is "$other" running
pid=$(agent "$other" pid)
must systemctl stop agentd.socket agentd
has "what agentd said" "did not say whether this is a stop or a restart" "$(journalctl -u agentd --no-pager)"
must kill -0 "$pid"
rm -r /run/systemd/system/agentd.service.d
must systemctl daemon-reload
must systemctl start agentd.socket agentd
eventually 30 ready
is "$other" running "$(agent "$other" state)"
