# F13, N29, N30: keys, names, numbers and configurations that do not fit. Nothing happens to
# the service, and it is said what is wrong.
# shellcheck source=tests/lab/pair
source "${0%/*}/pair"

pair_start d1
probe_start
sleep 1
other=$pair/other
mkdir -p $other
# as_d2 NAME TEXT: d2 starts with $other/directord.yaml; the service goes on, and its log or
# d1's says TEXT.
as_d2() {
    mark
    log_mark
    node_config d2 $other/directord.yaml
    node_start d2
    _said() { [ "$(told d2 "$2")" -gt 0 ] || [ "$(told d1 "$2")" -gt 0 ]; }
    expect_within "$1: it is said" 8 _said x "$2"
    sleep "${3:-1}"
    none_lost "$1: the service"
    expect "$1: d1 serves on" active "$(role d1)"
    one_owner "$1" "$wall_mark"
    kill -TERM "${main[d2]}" 2>/dev/null
    wait "${main[d2]}"
}
# refused NAME TEXT: d2 does not start, with exit status 1 or 2, and says why.
refused() {
    log_mark
    node_config d2 "${3:-$other/directord.yaml}"
    node_start d2
    wait "${main[d2]}"
    local status=$?
    if [ $status -ne 0 ] && [ "$(told d2 "$2")" -gt 0 ]; then
        ok "$1: refused ($(told_line d2 "$2"))"
    else
        not_ok "$1" "exit status $status, $(tail -n 3 $pair/d2.log | paste -sd' ')"
    fi
}
# One director too many on the node that serves: it must notice before its guard takes the
# address for a left-over.
mark
in_ d1 timeout 20 "$DIRECTORD" run -c $pair/directord.yaml --node d1 --state $pair/d1 \
    --socket $pair/d1.sock --log-stderr >$pair/second.log 2>&1
expect "a second director: exit status" 1 $?
expect "a second director: it says why" 1 "$(grep -c 'another director already answers' $pair/second.log)"
expect "a second director: the address stays" "0 removals" \
    "$(grep Deleted $pair/addresses.d1 | grep -cF " $VIP/") removals"
none_lost "a second director: the service"

told_line() { tail -n "+$((log_marks[$1] + 1))" "$pair/$1.log" | grep -E -m1 -e "$2" | cut -c1-150; }

kill -TERM "${main[d2]}"
wait "${main[d2]}"
cp $pair/web.cf $other/

"$DIRECTORD" failover keygen $other/key >/dev/null
sed "s#$pair/key#$other/key#" $pair/directord.yaml >$other/directord.yaml
as_d2 "F13 another key" "key" 5

sed 's/cluster: lab/cluster: other/' $pair/directord.yaml >$other/directord.yaml
as_d2 "F13 another cluster" "foreign|cluster|another" 2

# N30: the peer serves other addresses.
sed "s#address: \"$VIP/24\", interface: eth0 }#address: $VIP/24, interface: eth0 }, { address: 192.0.2.101/24, interface: eth0 }#" \
    $pair/directord.yaml >$other/directord.yaml
as_d2 "N30 other addresses" "another configuration" 2

sed 's/d2: { id: 2/d2: { id: 1/; s/d1: { id: 1/d1: { id: 2/' $pair/directord.yaml >$other/directord.yaml
as_d2 "N29 the numbers the other way round" "number" 2

sed 's/d2: { id: 2/d2: { id: 1/' $pair/directord.yaml >$other/directord.yaml
refused "F13 one number twice" "directord.yaml:[0-9]"
sed 's/preempt/prempt/; s/^failover:/failover:\n  prempt: true/' $pair/directord.yaml >$other/directord.yaml
refused "F13 an unknown key" "directord.yaml:[0-9]"
sed 's/d2: /d3: /g' $pair/directord.yaml >$other/directord.yaml
refused "F13 not the name of a node" "d2"
cp $pair/key $other/key
chmod 644 $other/key
sed "s#$pair/key#$other/key#" $pair/directord.yaml >$other/directord.yaml
refused "F13 everybody may read the key" "key"

node_config d2 $pair/directord.yaml
node_start d2
settle d1
none_lost "all of it"
one_owner "all of it"
