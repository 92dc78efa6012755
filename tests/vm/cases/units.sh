# SPDX-License-Identifier: Apache-2.0
# Lanes: machine container
# Limit: 180
# Long: machine
# The units as an operator uses them: what restart, stop, reload, the watchdog, credentials and the keeper's end mean.
. /vm/lib.sh

units="agentd.service agentd-spawner.service agentd-agents.service agentd.socket agentd-spawner.socket agents.slice"
say "systemd-analyze has nothing to say against them"
# shellcheck disable=SC2086
is "systemd-analyze verify" "" "$(systemd-analyze verify --man=no $units 2>&1)"
for unit in agentd agentd-spawner agentd-agents; do
  systemd-analyze security --no-pager $unit.service | tail -1 | tee -a /vm/out/security
done
score() { systemd-analyze security --no-pager "$1.service" | sed -n 's/.*level for [^ ]*: \([0-9.]*\) .*/\1/p'; }
less "exposure of agentd.service" "$(score agentd)" 2
less "exposure of agentd-agents.service" "$(score agentd-agents)" 2
less "exposure of agentd-spawner.service" "$(score agentd-spawner)" 7.5

allow_unlimited
keeper=/sys/fs/cgroup/agents.slice/agentd-agents.service
is "where the spawner builds rooms" $keeper "$(cat /run/agentd/cgroup)"
is "owner of the directory of sockets" "root 755" "$(stat -c '%U %a' /run/agentd)"
is "owner and mode of the spawner's socket" "agentd 600" "$(stat -c '%U %a' /run/agentd/spawner.sock)"
is "the daemon's user and capabilities" "agentd 0000000000000000" \
  "$(stat -c %U /proc/"$(main_pid agentd)"/status > /dev/null; ps -o user= -p "$(main_pid agentd)") $(sed -n 's/CapBnd:\t//p' /proc/"$(main_pid agentd)"/status)"
is "who owns the daemon's memory file" root "$(stat -c %U /proc/"$(main_pid agentd)"/mem)"

steady=$(spawn "$(contract steady 'run: { mode: service, command: ["/bin/sleep", "1000"] }')")
eventually 20 state_is "$steady" running
pid=$(agent "$steady" pid)
undisturbed() { # AFTER
  eventually 30 ready
  is "$steady after $1" "running $pid" "$(agent "$steady" state) $(agent "$steady" pid)"
}

say "a restart and a try-restart disturb nobody, of either half"
for verb in restart try-restart reload-or-restart; do must systemctl $verb agentd; undisturbed "$verb of agentd"; done
must systemctl restart agentd-spawner; undisturbed "restart of the spawner"
must systemctl restart agentd agentd-spawner; undisturbed "restart of both"
must systemctl daemon-reload; must systemctl daemon-reexec; undisturbed "daemon-reexec"
kill -TERM "$(main_pid agentd)"; sleep 1; undisturbed "a plain SIGTERM, after which systemd starts it again"
has "its last words" "agents go on" "$(journalctl -u agentd --no-pager)"

say "a daemon that hangs is killed by the watchdog and started again"
mkdir -p /run/systemd/system/agentd.service.d
printf '[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\n' > /run/systemd/system/agentd.service.d/test.conf
must systemctl daemon-reload; must systemctl restart agentd; eventually 30 ready
sleep 5
is "restarts while it lives" 0 "$(property agentd NRestarts)"
kill -STOP "$(main_pid agentd)"
within 20 "restarts by systemd" 1 property agentd NRestarts
undisturbed "the watchdog"
rm -r /run/systemd/system/agentd.service.d; must systemctl daemon-reload; must systemctl restart agentd; eventually 30 ready

say "a broken file keeps the old one in force, and reload fails with its place"
cp /etc/agentd/agentd.yaml /vm/good.yaml
printf 'polcy: {}\n' >> /etc/agentd/agentd.yaml
must_fail() { ! "$@" > /dev/null 2>&1 || fail "'$*' was to fail"; }
must_fail systemctl reload agentd
has "the journal" "agentd.yaml:$(wc -l < /etc/agentd/agentd.yaml):1: polcy" "$(journalctl -u agentd --no-pager)"
undisturbed "a refused reload"
cp /vm/good.yaml /etc/agentd/agentd.yaml
printf 'spawner: { mount: [] }\n' >> /etc/agentd/agentd.yaml
must_fail systemctl reload agentd
has "what the spawner said" "did you mean mounts" "$(journalctl -u agentd-spawner --no-pager)"
cp /vm/good.yaml /etc/agentd/agentd.yaml

say "a good one holds at once, and root's policy with it"
mkdir -p /srv/shared; chown agentd: /srv/shared
sed -i 's|^policy: {|policy: { mounts: [/srv/shared],|' /etc/agentd/agentd.yaml
must systemctl reload agentd
user=$(spawn "$(contract user 'workspace: { mounts: [{ source: /srv/shared, target: /shared, mode: rw }] }' 'run: { mode: job, command: ["/bin/sh", "-c", "echo hello > /shared/word"] }')")
within 20 "what the agent wrote" hello cat /srv/shared/word

say "a key by a credential"
echo secret-key > /etc/agentd/keys/house; chmod 600 /etc/agentd/keys/house
printf 'models: [{ driver: openai, base_url: "http://127.0.0.1:9/v1", key_file: "credential:key_house", models: ["house/x"] }]\n' >> /etc/agentd/agentd.yaml
must systemctl restart agentd; undisturbed "restart with a credential"
is "models" "house/x" "$(get /v1/system | jq -r '.models[0]')"
cp /vm/good.yaml /etc/agentd/agentd.yaml; must systemctl restart agentd; eventually 30 ready

say "the head of the audit log is root's"
is "the anchor's owner" root "$(stat -c %U /var/lib/agentd-root/audit.anchor)"
within 10 "the audit log" anchored sh -c "curl -sf --unix-socket /run/agentd/agentd.sock http://agentd/v1/audit/verify | jq -r .state"

say "a stop lets a running job finish within the grace, then stops the rest"
last=$(spawn "$(contract last 'run: { mode: job, command: ["/bin/sh", "-c", "sleep 2; exit 7"] }')")
eventually 20 state_is "$last" running
must systemctl stop agentd
is "what is left in the keeper's group" "$keeper/keep" "$(find $keeper -mindepth 1 -type d)"
is "the keeper" active "$(systemctl is-active agentd-agents)"
must systemctl start agentd; eventually 30 ready
is "the job that was to finish" "exited 7" "$(agent "$last" state) $(agent "$last" exit.code)"
is "the service that was stopped" "false" "$(kill -0 "$pid" 2> /dev/null && echo true || echo false)"

say "stopping the keeper ends every agent, and everything comes back with a start"
other=$(spawn "$(contract other 'run: { mode: service, command: ["/bin/sleep", "1000"] }')")
eventually 20 state_is "$other" running
pid=$(agent "$other" pid)
must systemctl stop agentd-agents
is "its agent" gone "$(kill -0 "$pid" 2> /dev/null && echo alive || echo gone)"
must systemctl start agentd; eventually 30 ready
is "the keeper" active "$(systemctl is-active agentd-agents)"
