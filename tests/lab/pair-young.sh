# G11: a planned switch while connections are being opened: those that are in their handshake and
# those that the kernel's sync daemon has not told of yet stay whole on the new node.
#
# SWITCHES (6) is how often; a new connection comes every EVERY (8) ms.
# shellcheck source=tests/lab/pair
source "${0%/*}/pair"

: "${SWITCHES:=6}" "${EVERY:=8}"
# These are not the moves of something that flaps.
TIMING='  max_moves: 32'
# Closed connections are forgotten soon, so that the list of all is short.
for node in d1 d2; do in_ $node ipvsadm --set 900 5 300; done
pair_start d1
probe_start 20
outside client perl "$here/pair-client.pl" young $VIP "$EVERY" 3000 >$pair/young
to=d2
mark
for ((i = 1; i <= SWITCHES; i++)); do
    sleep 2.5
    if [ $((i % 2)) = 1 ]; then ctl $to failover takeover; else ctl "$(peer_of $to)" failover standby; fi ||
        not_ok "switch $i" "the command failed"
    wait_until 5 role_is $to active || not_ok "switch $i" "$(roles)"
    [ $((i % 2)) = 1 ] || ctl "$(peer_of $to)" failover standby --off
    settle $to
    to=$(peer_of $to)
done
sleep 5
read -r all broken < <(awk -v from="$mark" '$1 >= from { all++ } $1 >= from && $2 != "whole" { broken++ } END { print all + 0, broken + 0 }' $pair/young)
if [ "$all" -gt $((SWITCHES * 100)) ]; then at_most "connections opened around $SWITCHES switches that broke, of $all" 0 "$broken"
else not_ok "connections are opened" "$all"; fi
at_most "connections reset by a director" 0 "$(resets "$wall_mark")"
none_lost "short ones"
one_owner "young"
