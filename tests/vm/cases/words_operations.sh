# SPDX-License-Identifier: Apache-2.0
# Lanes: container
# Limit: 150
# Start: bare
# Every command of docs/operations.md, word for word and in its order: installed, configured, watched, backed up, restored on a
# machine that has nothing of it, upgraded, removed.
. /vm/lib.sh
. /vm/words.sh

tasks() { get '/v1/tasks?limit=500' | jq -r '.items[] | "\(.id) \(.status)"' | sort; }
spent() { get '/v1/costs?by=agent' | jq -c '[.items[] | [.key, .cost_micro_usd]] | sort'; }

before_page() {
  case $1 in
    install) cp "$VM_DEB" ~person/agentd_0.1.0_amd64.deb ;;
    back-up) tasks > /vm/tasks; spent > /vm/spent ;;
    restore) # another machine
      id -u agentd > /vm/uid
      must purge_agentd
      must useradd --uid "$(cat /vm/uid)" other # so that agentd is given another number than it had
      must rm -rf /etc/agents
      cp "$VM_DEB" /root/agentd_0.1.0_amd64.deb
      ;;
    upgrade) cp "$(newer_deb 0.2.0)" ~person/agentd_0.2.0_amd64.deb ;;
  esac
}
after_page() {
  case $1 in
    install)
      printf 'prices:\n  "house/*": { input: 0.80, output: 4.00 }\n' >> /etc/agentd/agentd.yaml
      allow_unlimited
      within 90 "tasks that are not done" 0 tasks_left
      ;;
    configure)
      eventually 30 ready
      has "agentd.yaml" "  grace: 30s" "$(cat /etc/agentd/agentd.yaml)"
      must systemctl revert agents.slice
      ;;
    monitor) has "the metrics" 'agentd_tasks{status="done"} 12' "$(cat /vm/words/said)" ;;
    back-up) eventually 30 ready ;;
    restore)
      eventually 30 ready
      [ "$(id -u agentd)" != "$(cat /vm/uid)" ] || fail "agentd was to get another uid than $(cat /vm/uid)"
      is "the tasks" "$(cat /vm/tasks)" "$(tasks)"
      is "what was spent" "$(cat /vm/spent)" "$(spent)"
      is "the company" "agentd:agentd 2770" "$(stat -c '%U:%G %a' /srv/acme)"
      has "its default ACL" "default:group::rwx" "$(getfacl -cp /srv/acme)"
      say "and it works on"
      must agentctl task add "After the restore" --to maker --body "Into /workspace/site/after.txt"
      late=$(spawn "$(contract late 'run: { mode: job, command: ["/bin/true"] }')")
      eventually 20 state_is "$late" exited
      ;;
    upgrade) is "the version" 0.2.0 "$(dpkg-query -W -f '${Version}' agentd)"; eventually 30 ready ;;
    remove) must test ! -e /var/lib/agentd; must test -e /srv/acme/company.yaml; refused 2 getent passwd agentd ;;
  esac
}

run_page /vm/files/docs/operations.md
