# SPDX-License-Identifier: Apache-2.0
# Lanes: machine container
# Limit: 90
# Long: machine
# journald itself takes what agentd says: by agent, by run, by kind, explained by the catalog, and each thing once.
. /vm/lib.sh

allow_unlimited
journal() { journalctl --no-pager -q -o json "$@" | jq -r '"\(.SYSLOG_IDENTIFIER) \(.PRIORITY) \(.AGENTD_EVENT) \(.AGENT_NAME) \(.MESSAGE_ID | length)"'; }

say "a run is found by its id, and each of its events is one line"
run=$(spawn "$(contract teller 'run: { command: ["/bin/sh", "-c", "echo words of its own; exit 3"] }')")
eventually 20 state_is "$run" exited
within 10 "the end in the journal" "agentd 6 instance.ended teller 32" journal -t agentd AGENT_ID="$run" AGENTD_EVENT=instance.ended
is "by its run" "agentd 6 instance.started teller 32" "$(journal -t agentd AGENT_RUN_ID="$run" AGENTD_EVENT=instance.started)"
lacks "the journal" "words of its own" "$(journalctl --no-pager -q)"

say "the catalog explains it"
must journalctl --update-catalog
has "the catalog" "agentd: An agent's run has ended" "$(journalctl --list-catalog)"
has "journalctl -x" "An agent's run has ended" "$(journalctl --no-pager -q -x -t agentd AGENT_ID="$run" AGENTD_EVENT=instance.ended)"

say "the spawner and the keeper speak under their own names"
has "the keeper" "agentd-keeper" "$(journal -t agentd-keeper)"
is "the format" journal "$(get /v1/system | jq -r .log.format)"
is "lines lost" 0 "$(get /v1/system | jq -r .log.lost)"

say "agentctl merges the same events with the output"
merged=$(agentctl logs "$run")
has "what it wrote" "words of its own" "$merged"
has "its end" " instance.ended $run: ended: " "$merged"
is "the output alone" "words of its own" "$(agentctl logs "$run" --output-only)"

say "a journal that is started again is found, and agentd goes on"
must systemctl restart systemd-journald
must agentctl system reload
within 20 "what was said after" 1 sh -c 'journalctl --no-pager -q -o cat -t agentd AGENTD_EVENT=agentd.reloaded | wc -l'
is "agentd" active "$(systemctl is-active agentd)"
