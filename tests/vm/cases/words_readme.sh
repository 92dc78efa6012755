# SPDX-License-Identifier: Apache-2.0
# Lanes: container
# Limit: 150
# Start: bare
# Every command of README.md, word for word, on a machine where nothing of agentd is installed.
. /vm/lib.sh
. /vm/words.sh

before_page() {
  case $1 in
    a-server-in-five-minutes)
      cp "$VM_DEB" ~person/agentd_0.1.0_amd64.deb
      install -o person /dev/stdin ~person/key.txt <<< "secret-of-the-readme"
      ;;
    your-own-company-without-installing) # in a checkout that was built
      dpkg-deb -x "$VM_DEB" /root/build
      mv /root/build/usr /root/build/release
      cp -r /vm/files/demo /root/demo
      ;;
  esac
}
after_page() {
  case $1 in
    a-server-in-five-minutes)
      eventually 30 ready
      is "the company in force" /srv/acme "$(get /v1/company | jq -r .path)"
      has "the person's groups" agentd "$(id -nG person)"
      is "whose the key is" "root 600" "$(stat -c '%U %a' /etc/agentd/keys/api)"
      must purge_agentd
      ;;
    your-own-company-without-installing)
      has "what the hello agent said" "hello from hello." "$(cat /vm/out/README.md.*your-own*)"
      within 20 "agentd that was told to end" "" pgrep -x agentd
      ;;
  esac
}
run_page /vm/files/README.md
