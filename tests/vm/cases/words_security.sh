# SPDX-License-Identifier: Apache-2.0
# Lanes: container
# Limit: 60
# What docs/security.md says of the units: its commands, and the figures that it names.
. /vm/lib.sh
. /vm/words.sh

page=/vm/files/docs/security.md
after_page() { is "what systemd-analyze verify says" "" "$(sed -n '/systemd-analyze verify/,$p' /vm/words/said | tail -n +2)"; }
run_page $page

named() { grep -oE "$1 [0-9]+\.[0-9]" $page | head -1 | cut -d' ' -f2; }
score() { systemd-analyze security --no-pager "$1" | sed -n 's/.*level for [^ ]*: \([0-9.]*\) .*/\1/p'; }
if [ "$(systemctl --version | awk 'NR == 1 { print $2 }')" = 252 ]; then # others weigh otherwise: the case units bounds them
  for unit in agentd.service agentd-agents.service agentd-spawner.service; do
    is "exposure of $unit, as the page says and as it is" "$(named $unit)" "$(score $unit)"
  done
fi
