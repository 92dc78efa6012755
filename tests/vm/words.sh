# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Runs what a page tells its reader to type, word for word: the lines of its ```console blocks that begin with `$ ` (a person
# with sudo) or `# ` (root), and the bodies of their here-documents. All commands of a section are one shell.
#   <!-- not run: WHY -->  on the line before a block leaves it out.
#   "Ctrl-C"               in a command's comment: it goes on for ever, and is interrupted after three seconds.

# page_scripts FILE DIRECTORY - writes a script a section, NN-section.PROMPT
page_scripts() {
  awk -v page="$(basename "$1")" -v out="$2" '
    function slug(text) { text = tolower(text); gsub(/[^a-z0-9]+/, "-", text); gsub(/^-|-$/, "", text); return text }
    function refuse(why) { print "FAILED: " page ":" NR ": " why > "/dev/stderr"; exit 1 }
    body != "" { print > script; if ($0 == body) { body = ""; print "done_with $?" > script } next }
    !fence && /^#+ / { section = slug($0) }
    !fence && /^<!-- not run: ./ { skip = 1; next }
    !fence && /^    (sudo|agentctl|systemctl|journalctl|apt|make) / { refuse("a command outside of a console block is run by nobody: " $0) }
    /^```/ { fence = !fence; console = fence && $0 == "```console"; if (!fence) skip = 0; next }
    fence && console && !skip && /^[$#] / {
      prompt = substr($0, 1, 1) == "$" ? "person" : "root"; command = substr($0, 3)
      if (!(section in number)) { number[section] = ++sections; asked[section] = prompt }
      if (asked[section] != prompt) refuse("a section is typed by one: by the person ($) or by root (#)")
      script = sprintf("%s/%02d-%s.%s", out, number[section], section, prompt)
      told = command; gsub(/\047/, "\047\\\047\047", told)
      printf "at %d \047%s\047\n", NR, told > script
      if (command ~ /#.*Ctrl-C/) command = "interrupted " command
      print command > script
      if (match(command, /<<\047[A-Z]+\047/)) body = substr(command, RSTART + 3, RLENGTH - 4)
      else print "done_with $?" > script
      next
    }
    !fence && NF { skip = 0 }' "$1"
}

# run_page FILE [SED] - all of it; before_page SECTION and after_page SECTION, where the case has them, are called around each
run_page() {
  local page=$1 words=/vm/words script name section asked commands=0 status
  rm -rf $words; mkdir $words
  page_scripts "$page" $words
  id person > /dev/null 2>&1 || useradd --create-home --shell /bin/bash person
  echo 'person ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/person
  echo 'APT::Get::Assume-Yes "true";' > /etc/apt/apt.conf.d/yes
  cat > $words/start <<'END'
export DEBIAN_FRONTEND=noninteractive
at() { LINE=$1 SAID=$2; echo "  $LINE: $SAID"; }
done_with() { [ "$1" = 0 ] || { echo "FAILED: line $LINE: '$SAID' ended with $1"; exit 1; }; }
interrupted() { local status=0; timeout -s INT 3 "$@" || status=$?; case $status in 0 | 124 | 130) return 0 ;; *) return $status ;; esac; }
set -m
END
  for script in "$words"/[0-9]*; do
    name=$(basename "$script") section=${script##*/[0-9][0-9]-} section=${section%.*} asked=${script##*.}
    [ -z "${2:-}" ] || sed -i "$2" "$script"
    commands=$((commands + $(grep -c '^done_with' "$script")))
    say "$(basename "$page"), $section"
    if declare -F before_page > /dev/null; then before_page "$section"; fi
    cat $words/start "$script" > "$words/run"
    status=0
    case $asked in
      person) (cd ~person; runuser -l person -c "bash $words/run") < /dev/null > "$words/said" 2>&1 || status=$? ;;
      root) (cd /root; bash "$words/run") < /dev/null > "$words/said" 2>&1 || status=$? ;;
    esac
    cp "$words/said" "/vm/out/$(basename "$page").$name"
    [ $status = 0 ] || fail "$(basename "$page"), $section: $(tail -40 "$words/said")"
    if declare -F after_page > /dev/null; then after_page "$section"; fi
  done
  say "$commands commands of $(basename "$page") were run"
  [ $commands -gt 0 ] || fail "$page shows no command"
}
