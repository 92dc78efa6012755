# SPDX-License-Identifier: Apache-2.0
# Lanes: machine
# Limit: 240
# The state's disk is full, then the company's: what cannot be written is refused by name, nothing that was answered is lost,
# and with room again everything is done without a hand.
. /vm/lib.sh

small_disk() { # PLACE - a file system of 48 MiB there, with what was there
  truncate -s 48M "/vm/disk$(basename "$1")"
  mkfs.ext4 -q -F -m 0 -N 4096 "/vm/disk$(basename "$1")"
  mkdir -p /vm/mount
  mount -o loop "/vm/disk$(basename "$1")" /vm/mount
  cp -a "$1/." /vm/mount/
  umount /vm/mount
  mount -o loop "/vm/disk$(basename "$1")" "$1"
}
tidy() {
  systemctl stop agentd.socket agentd agentd-spawner.socket agentd-spawner agentd-agents || :
  umount /var/lib/agentd /srv || :
  rm -f /vm/disk*
}
must systemctl stop agentd.socket agentd agentd-spawner
trap tidy EXIT
small_disk /var/lib/agentd
small_disk /srv
must systemctl start agentd.socket agentd-spawner.socket agentd
eventually 60 ready
with_workers 2

fill() { # PLACE - to the last block
  for size in 1M 4k; do dd if=/dev/zero of="$1/.fill$size" bs=$size conv=fsync 2> /dev/null && fail "$1 was to be full" || :; done
  less "blocks left in $1" "$(stat -f -c %a "$1")" 16
}
accepted=()
add_until_refused() {
  local id said
  for _ in $(seq 60); do
    if id=$(agentctl task add "one more" --to shell --attempts 30 -o name 2> /vm/said < /dev/null); then accepted+=("$id"); else
      said=$(cat /vm/said)
      return
    fi
  done
  fail "sixty tasks were taken with a full disk"
}
for place in /var/lib/agentd /srv; do
  say "$place is full: new work is refused by name, agentd goes on"
  fill $place
  add_until_refused
  grep -qE 'disk is full|No space left' /vm/said || fail "expected the full disk to be named in: $(cat /vm/said)"
  sleep 3 # what runs meets it too
  is "agentd.service" active "$(systemctl is-active agentd)"
  must ready
  must agentctl ps

  say "with room again all is done: ${#accepted[@]} were taken meanwhile"
  rm $place/.fill*
  accepted+=("$(agentctl task add "there is room" --to shell --attempts 30 -o name < /dev/null)")
  within 90 "tasks that are not done" 0 tasks_left
  is "tasks that failed" "" "$(tasks_that_are failed)"
  for id in "${accepted[@]}"; do
    is "status of $id, which was taken" "done" "$(task_state "$id")"
    must test -s "$COMPANY/knowledge/runs/$id"
  done
  whole_books
done
is "restarts of agentd" 0 "$(property agentd NRestarts)"
