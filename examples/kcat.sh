#!/usr/bin/env bash
# The two sides of an operator with kcat alone: publish call events, obey verdicts.
#
#   examples/kcat.sh publish < calls.jsonl     one event a line; the caller has to be spelt +77011234567
#   examples/kcat.sh obey op-a                 what to do with each call, until Ctrl-C
#
# KAFKA names the brokers, PREFIX what stands before topic names, KCAT_CONFIG a file with TLS and SASL settings.
# It is for trying things out: it finds fields by their looks, and only a real client can wait for one call's verdict.
set -euo pipefail

kcat=(kcat -q)
if [ -n "${KAFKA:-}" ]; then kcat+=(-b "$KAFKA"); fi

publish() {
  # The key is the caller. kcat, as every client on librdkafka, finds another partition unless told to use murmur2.
  sed -E '/"caller": ?"\+[1-9][0-9]{6,14}"/!{s/^/not published, the caller is not spelt in E.164: /w /dev/stderr
d}; s/^(.*"caller": ?"(\+[0-9]+)".*)$/\2\t\1/' |
    "${kcat[@]}" -P -t "${PREFIX:-}calls.v1" -K '\t' \
      -X topic.partitioner=murmur2_random -X enable.idempotence=true -X topic.message.timeout.ms=30000
}

field() { # of $verdict: the text of a field
  [[ $verdict =~ \"$1\":(\"([^\"]*)\"|([^,\}]*)) ]] && printf '%s' "${BASH_REMATCH[2]}${BASH_REMATCH[3]}"
}

obey() {
  local -A told=()
  local verdict call
  while IFS= read -r verdict; do
    if [ "$(field operator)" != "$1" ] || [ "$(field late)" = true ]; then continue; fi
    call=$(field call_id)
    case "$(field revises)/${told[$call]:-}/$(field action)" in
      true/pass/block) told[$call]=stop ;;   # once let through, and it still rings: stop it
      false//block) told[$call]=reject ;;
      false//*) told[$call]=pass ;;
      *) continue ;;                         # a repeat: the first in the order of the log stands
    esac
    echo "$call ${told[$call]} $(field action) sip=$(field sip_code) q850=$(field q850)"
  done < <("${kcat[@]}" -C -t "${PREFIX:-}decisions.v1" -o "${FROM:-end}" -u)
}

case "${1:-}" in
  publish) publish ;;
  obey) obey "${2:?which operator}" ;;
  *) sed -n '2,7p' "$0" >&2; exit 2 ;;
esac
