# SPDX-License-Identifier: Apache-2.0
# Lanes: container
# Limit: 120
# A model's key is a credential of agentd's alone: the endpoint gets it, and it is in no room, no log, no journal, no audit
# event, no answer of the API, no environment, no command line and no state on disk.
. /vm/lib.sh

key=sk-3f9b1c7e-never-to-be-seen
allow_unlimited
say "an endpoint that writes down what it is told"
cat > /usr/local/lib/endpoint <<'END'
#!/bin/bash
# One request, answered without reading its body; the head is kept.
while IFS= read -r -t 5 line; do printf '%s\n' "$line" >> /vm/heard; [ "$line" != $'\r' ] || break; done
body='{"id":"1","object":"chat.completion","model":"x","choices":[{"index":0,"message":{"role":"assistant","content":"Good."},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}'
printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' ${#body} "$body"
END
chmod +x /usr/local/lib/endpoint
cat > /run/systemd/system/endpoint.socket <<'END'
[Socket]
ListenStream=127.0.0.1:8111
Accept=yes
END
cat > /run/systemd/system/endpoint@.service <<'END'
[Service]
ExecStart=/usr/local/lib/endpoint
StandardInput=socket
StandardOutput=socket
END
must systemctl daemon-reload
must systemctl start endpoint.socket

say "the key goes where the page says, and only the service gets it"
install -m 600 /dev/stdin /etc/agentd/keys/house <<< "$key"
printf 'models: [{ driver: openai, base_url: "http://127.0.0.1:8111/v1", key_file: "credential:key_house", models: ["house/x"] }]\n' >> /etc/agentd/agentd.yaml
must systemctl restart agentd
eventually 30 ready
refused 1 runuser -u agentd -- cat /etc/agentd/keys/house

say "an agent calls the model, and looks for the key wherever it can"
cat > /usr/local/lib/seeker <<'END'
#!/bin/sh
curl -s --max-time 20 -H 'Content-Type: application/json' http://127.0.0.1:4242/v1/chat/completions \
  -d '{"model":"house/x","messages":[{"role":"user","content":"hello"}]}'
echo; env; cat /proc/*/environ /proc/*/cmdline | tr '\0' '\n'
cat /etc/agentd/keys/house /run/credentials/*/* 2>&1
grep -rsl --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr "sk-3f9b1c7e" / && echo FOUND
echo looked
END
chmod +x /usr/local/lib/seeker
seeker=$(spawn "$(contract seeker 'modelPolicy: { allow: [house/x] }' 'run: { command: ["/usr/local/lib/seeker"] }')")
eventually 60 state_is "$seeker" exited
said=$(agentctl logs "$seeker" --output-only)
has "the model's answer" "Good." "$said"
has "its search" looked "$said"
lacks "what the agent saw" sk-3f9b1c7e "$said"
lacks "what the agent found" FOUND "$said"
has "what the endpoint was told (so the key was in use)" "Bearer $key" "$(cat /vm/heard)"

say "nor is it anywhere outside"
holders() { grep -rslF "$key" /var/lib/agentd /var/lib/agentd-root /var/log/agentd /run/agentd /srv /tmp /var/tmp 2> /dev/null || :; }
is "files that hold it" "" "$(holders)"
lacks "the journal" "$key" "$(journalctl --no-pager -q -o json)"
lacks "the unit" "$key" "$(systemctl show agentd; systemctl cat agentd)"
for path in /v1/system /v1/models "/v1/agents/$seeker/inspect" '/v1/audit?limit=1000'; do lacks "the answer of $path" "$key" "$(get "$path")"; done
lacks "environments and command lines" "$key" "$(cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2> /dev/null | tr '\0' '\n')"

say "the control: the search finds what is there"
echo "$key" > /var/lib/agentd/planted
is "files that hold it" /var/lib/agentd/planted "$(holders)"
rm /var/lib/agentd/planted
systemctl stop endpoint.socket
rm -f /run/systemd/system/endpoint* /usr/local/lib/endpoint /usr/local/lib/seeker /vm/heard
must systemctl daemon-reload
