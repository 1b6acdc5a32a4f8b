# F12, N28, D28: both nodes start, in either order and at once, with and without links.
# shellcheck source=tests/lab/pair
source "${0%/*}/pair"

for real in r1 r2; do outside $real perl "$here/pair-server.pl" $real; done
pair_config
: >$pair/d1.log
: >$pair/d2.log
witness_start
outside client perl "$here/pair-client.pl" probe $VIP 20 >$pair/probes

one_serves() {
    local now
    now=$(roles)
    [ "$now" = "active standby" ] || [ "$now" = "standby active" ]
}
# begin NAME: both run, one of them serves; then both are stopped.
begin() {
    expect_within "$1: one serves" 15 one_serves
    sleep 1
    one_serves && ok "$1: and stays ($(roles))" || not_ok "$1" "$(roles)"
    one_owner "$1" "$from"
}
end() {
    node_stop d1
    node_stop d2
    for node in d1 d2; do
        ! has_vip $node || not_ok "stopped" "$node has the address"
    done
}
from=$EPOCHREALTIME
node_start d1
node_start d2
begin "F12 both at once"
end
from=$EPOCHREALTIME
node_start d2
sleep 1
node_start d1
begin "F12 d1 a second after d2"
end
# Nothing between them but the segment, on which the address is asked for, again and again:
# the one that asks does not know who answers, for it has never heard its peer.
for node in d1 d2; do deaf $node; done
from=$EPOCHREALTIME
node_start d1
node_start d2
alone() {
    local now
    now=$(roles)
    now=${now/probe/standby}
    [ "$now" = "active standby" ] || [ "$now" = "standby active" ]
}
expect_within "F12 both at once without links: one serves, the other sees it" 15 alone
sleep 2
alone && ok "F12 without links: and stays ($(roles))" || not_ok "F12 without links" "$(roles)"
one_owner "F12 without links" "$from"
for node in d1 d2; do hearing $node; done
begin "F12 the links come"
end
# Alone.
from=$EPOCHREALTIME
node_start d2
expect_within "F12 one node alone serves" 12 role_is d2 active
one_owner "F12 one node alone" "$from"
