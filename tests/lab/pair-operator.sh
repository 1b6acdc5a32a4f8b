# Operator's commands, old words, hooks, a script and an http track, a cold standby and new
# keys, on a pair that serves: docs/failover.md, tracks-and-hooks.md, keys.md.
# shellcheck source=tests/lab/pair
source "${0%/*}/pair"

# One program for all hooks: a line for each call, and what it was given. /proc/net is that
# of its own network namespace, and lists the host's addresses.
cat >$pair/hook <<HOOK
#!/bin/sh
address=gone
! grep -qF $VIP /proc/net/fib_trie || address=here
tr '\0' '\n' </proc/\$\$/environ >$pair/given.\$DIRECTORD_NODE.\$DIRECTORD_HOOK
echo "\$DIRECTORD_HOOK \$address \$DIRECTORD_EPOCH \$#" >>$pair/hooks.\$DIRECTORD_NODE
echo "said by \$DIRECTORD_HOOK"
HOOK
# The key is root's.
cat >$pair/script <<SCRIPT
#!/bin/sh
[ -e $pair/broken.\$DIRECTORD_NODE ] || exit 0
[ -r $pair/key ] && who=root || who=nobody
echo "\$DIRECTORD_TRACK of \$DIRECTORD_INSTANCE on \$DIRECTORD_NODE, not \$DIRECTORD_PEER, of \$DIRECTORD_CLUSTER, as \$who"
exit 1
SCRIPT
chmod 755 /run/lab $pair $pair/hook $pair/script
INSTANCE="      hooks: { $(printf "%s: $pair/hook, " after_active before_release after_release after_fault) }"
# A run of a script is dear in the lab.
TRACKS="        - { script: $pair/script, name: probe, user: nobody, interval: 1s, fall: 1, rise: 1 }
        - { http: 'http://127.0.0.1/ldirector.html', name: page, interval: 200ms, fall: 2, rise: 2 }"

# configure: as pair_config, but each node has a key file of its own, as on two hosts.
configure() {
    pair_config
    for node in d1 d2; do sed "s|^key_file: .*|key_file: $pair/$node/key|" $pair/directord.yaml >$pair/$node.yaml; done
}
configure
for node in d1 d2; do
    mkdir -p $pair/$node
    cp -p $pair/key $pair/$node/key
    node_config $node $pair/$node.yaml
    web $node 80
    : >$pair/hooks.$node
done
for name in cl_status LVSSyncDaemonSwap; do ln -sf "$DIRECTORD" $pair/$name; done

# run NODE COMMAND…: what it says there, on one line, and its exit code.
run() {
    local node=$1 said
    shift
    said=$(DIRECTORD_SOCKET=$pair/$node.sock in_ "$node" "$@" 2>&1)
    echo "${said//$'\n'/ } ($?)"
}
failover() { run "$1" "$DIRECTORD" failover "${@:2}"; }
# says NAME TEXT PATTERN…: all of them are in it.
says() {
    local pattern missing=''
    for pattern in "${@:3}"; do [[ $2 =~ $pattern ]] || missing+=" no \"$pattern\""; done
    if [ -z "$missing" ]; then ok "$1"; else not_ok "$1" "$missing in: $2"; fi
}
# track NODE NAME: its state.
track() {
    [[ $(status "$1") =~ \"name\":\"$2\",\"kind\":\"[a-z]+\",\"target\":\"[^\"]*\",\"state\":\"([a-z]+) ]]
    echo "${BASH_REMATCH[1]:-none}"
}
track_is() { [ "$(track "$1" "$2")" = "$3" ]; }
hears() { # hears NODE: whether its peer is alive
    [[ $(status "$1") =~ \"peer\":\{[^}]*\"alive\":([a-z]+) ]]
    echo "${BASH_REMATCH[1]:-none}"
}
page_lost() { rm "/run/lab/web/$1/root/ldirector.html"; }
page_back() {
    web_page "$1" "Test Page"
    wait_until 5 track_is "$1" page up && wait_until 5 is_ready "$1"
}
# hooks NODE: which were called and whether the address was there, in their order.
hooks() { cut -d' ' -f1,2 "$pair/hooks.$1" | paste -sd, ; }
hooks_are() { [ "$(hooks "$1")" = "$2" ]; }
# hooks_expected NAME NODE LIST
hooks_expected() { expect_within "$1" 5 hooks_are "$2" "$3" || echo "they are $(hooks "$2")"; }
table() { in_ "$1" ipvsadm -Sn | wc -l; }

pair_start d1

# ── both nodes are asked, before anything is amiss

expect "status --check on the active" "OK: web active here (0)" "$(failover d1 status --check)"
expect "status --check on the standby" "OK: web active on d1, standby here (0)" "$(failover d2 status --check)"
says "status --check without a director" "$(failover d1 status --check --socket $pair/none)" "$pair/none.* \(4\)$"
both=("same configuration" "link lan +up," "link private +up," "track +probe: up" "track +page: up" "\(0\)$")
says "status on the active" "$(failover d1 status)" "^node d1 \(1\) of lab peer d2 \(2\): alive" "web: ACTIVE here" \
    "owner +d1, epoch [1-9]" "d2 +standby, priority 100, ready" "sync daemon: master on hb0 with id 7" \
    "next +d2 takes over when this node fails" "${both[@]}"
says "status on the standby" "$(failover d2 status)" "^node d2 \(2\) of lab peer d1 \(1\): alive" "web: STANDBY here" \
    "owner +d1 " "d1 +active, priority 150, ready" "sync daemon: backup on hb0 with id 7" \
    "next +takes over when d1 gives up" "${both[@]}"
json=$(failover d2 status --json)
says "status --json on the standby" "${json// /}" '^\{.*"node":"d2"' '"state":"standby"' '"owner":"peer"' '"frozen":"no"' \
    '"same_config":true' '\}\(0\)$'
says "explain on the active" "$(failover d1 explain)" "^web is served here, on d1: active here" "d2 would take over" \
    "to change it: directord failover standby web \(0\)$"
says "explain on the standby" "$(failover d2 explain web)" "^web is served by d1, not here: standby here" \
    "d1 serves and is better" "to change it: directord failover takeover web \(0\)$"

cf=$pair/web.cf
expect "ldirectord status on the active" "ldirectord for $cf is running with pid: ${main[d1]} (0)" \
    "$(run d1 "$DIRECTORD" ldirectord $cf status)"
expect "ldirectord status on the standby" "ldirectord is stopped for $cf (3)" "$(run d2 "$DIRECTORD" ldirectord $cf status)"
swap=$pair/LVSSyncDaemonSwap
expect "LVSSyncDaemonSwap on the active" "master running (3) backup stopped (0)" \
    "$(run d1 $swap master status) $(run d1 $swap backup status)"
expect "LVSSyncDaemonSwap on the standby" "master stopped (0) backup running (3)" \
    "$(run d2 $swap master status) $(run d2 $swap backup status)"
says "LVSSyncDaemonSwap changes nothing" "$(run d2 $swap master start)" "is refused: .*failover takeover. \(1\)$"
running="Heartbeat is running on this machine. (0)"
expect "cl_status on the active" "all (0) $running" "$(run d1 $pair/cl_status rscstatus) $(run d1 $pair/cl_status hbstatus)"
expect "cl_status on the standby" "none (0) $running" "$(run d2 $pair/cl_status rscstatus) $(run d2 $pair/cl_status hbstatus)"

# ── tracks and hooks

probe_start 20
planned=$mark planned_wall=$wall_mark
touch $pair/broken.d1
expect_within "a script fails on the active: the peer serves" 5 role_is d2 active
says "what the script said is shown" "$(status d1)" '"state":"down: exit status 1: probe of web on d1, not d2, of lab, as nobody"'
rm $pair/broken.d1
expect_within "the script is good again" 5 track_is d1 probe up
wait_until 5 is_ready d1
page_lost d2
expect_within "a page is missing on the active: the peer serves" 5 role_is d1 active
page_back d2
calls1="after_active here,before_release here,after_release gone,after_active here"
calls2="after_active here,before_release here,after_release gone"
hooks_expected "hooks of d1, each once and in order" d1 "$calls1"
hooks_expected "hooks of d2, each once and in order" d2 "$calls2"
given() { sort "$pair/given.$1.$2" | paste -sd' '; }
environment() { # environment NODE PEER HOOK STATE EPOCH REASON
    echo "DIRECTORD_CLUSTER=lab DIRECTORD_EPOCH=$5 DIRECTORD_HOOK=$3 DIRECTORD_INSTANCE=web DIRECTORD_NODE=$1" \
        "DIRECTORD_PEER=$2 DIRECTORD_REASON=$6 DIRECTORD_STATE=$4 LANG=C" \
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}
# The epochs of the three takeovers, each a step up.
epoch() { sed -n "$2p" "$pair/hooks.$1" | cut -d' ' -f3; }
first=$(epoch d1 1) second=$(epoch d2 1) third=$(epoch d1 4)
[ "$first" -lt "$second" ] && [ "$second" -lt "$third" ] && ok "each takeover has a larger epoch" ||
    not_ok "each takeover has a larger epoch" "$first $second $third"
expect "what after_active is given" "$(environment d1 d2 after_active active "$third" "takeover complete")" "$(given d1 after_active)"
expect "what after_release is given" "$(environment d2 d1 after_release standby "$second" "fault, and the peer can serve")" \
    "$(given d2 after_release)"
expect "hooks have no arguments" 0 "$(cut -d' ' -f4 $pair/hooks.d? | sort -u | paste -sd' ')"
expect "what a hook prints is in the log" 1 "$(told d1 'hook=before_release .*said by before_release')"

# ── frozen

# On the owner, until its time is over. The freeze begins after `from`.
from=$(now)
failover d1 freeze --for 3s
page_lost d1
wait_until 3 track_is d1 page down
until [ $(($(now) - from)) -ge 2600 ]; do sleep 0.05; done
expect "frozen: a fault moves nothing" "active standby down" "$(roles) $(track d1 page)"
expect_within "the freeze ends by itself: the peer serves" 4 role_is d2 active
page_back d1
# On the other node, until it is told.
failover d1 freeze --forever
page_lost d2
wait_until 3 track_is d2 page down
sleep 1
expect "frozen by the standby: a fault moves nothing" "standby active down" "$(roles) $(track d2 page)"
says "a monitor is told of it" "$(failover d1 status --check)" "^WARNING: .*frozen until unfreeze; web active on d2, standby here \(1\)$"
says "explain tells of it" "$(failover d2 explain)" "frozen: only the loss of a node moves it"
expect "no drill while frozen" "directord: no drill: frozen until unfreeze (1)" "$(failover d1 drill)"
failover d1 unfreeze
expect_within "no longer frozen: the peer serves" 4 role_is d1 active
page_back d2

# ── drill and cleanup: four moves by now

says "no drill that would pin it" "$(failover d1 drill)" "^directord: no drill: web moved 4 times lately .* \(1\)$"
for node in d1 d2; do failover $node cleanup web; done
drill=$(failover d1 drill --stay 1s)
echo "$drill"
leg="released ([0-9]+) ms after the order, without owner for"
if [[ $drill =~ ^web:\ d1\ →\ d2:\ $leg\ at\ most\ ([1-9][0-9]*)\ ms\ web:\ d2\ →\ d1:\ $leg\ ([1-9][0-9]*)\ ms\ \(0\)$ ]]; then
    out=${BASH_REMATCH[2]} back=${BASH_REMATCH[4]} allowed=$((300 * 3 / 2))
    at_most "a drill after cleanup: the gap on the way out, in ms" $allowed "$out"
    at_most "a drill after cleanup: the gap on the way back, in ms" $allowed "$back"
else
    not_ok "a drill after cleanup" "$drill"
fi
expect "the drill ends where it began" "active standby" "$(roles)"
says "the order has been taken back" "$(status d1)" '"admin_standby":false'
history=$(failover d1 history)
says "history" "$history" \
    "acquire → active +epoch $first: takeover complete .*active → release +epoch $first: fault, and the peer can serve" \
    "active → release +epoch $third: .*active → release +epoch [0-9]+: handed over on an operator's order" \
    "release → standby +epoch [0-9]+: addresses are gone .*standby → acquire +epoch [0-9]+: the peer has released" \
    "acquire → active +epoch [0-9]+: takeover complete \(0\)$"
expect "history --json has as many" "$(grep -o → <<<"$history" | wc -l)" "$(failover d1 history --json | grep -o '"from"' | wc -l)"

# ── a cold standby

STANDBY=cold
configure
for node in d1 d2; do run $node "$DIRECTORD" reload; done
table_is() { [ "$(table "$1")" = "$2" ]; }
expect "takeover" "web: asking the peer to hand over (0)" "$(failover d2 takeover)"
expect_within "the table of a cold standby is emptied" 5 table_is d1 0
expect "the active keeps its table" 6 "$(table d2)"

# ── new keys, in three steps, each on both nodes before the next

keys() { # keys NODE WORD…
    "$DIRECTORD" failover keygen $pair/"$1"/key "${@:2}" >/dev/null && run "$1" "$DIRECTORD" reload
}
fingerprints() { "$DIRECTORD" failover key fingerprint $pair/"$1"/key | paste -sd' '; }
# links: of both nodes, their states and what they have refused; not what they count.
links() {
    for node in d1 d2; do
        status $node | grep -o '"links":.*,"instances"' | grep -oE '"(state":"[a-z ]*"|refused":[^}]*)'
    done | paste -sd' '
}
old=$(fingerprints d1) before=$(links)
says "all links are up" "$before" 'up".*up".*up".*up"'
keys d1 --add
cp -p $pair/d1/key $pair/d2/key
run d2 "$DIRECTORD" reload
keys d1 --sign 2
sleep 0.5
expect "one node signs with the new key, the links are as before" "$before" "$(links)"
keys d2 --sign 2
keys d1 --remove 1
keys d2 --remove 1
sleep 0.5
expect "both have forgotten the old key, the links are as before" "$before" "$(links)"
new=$(fingerprints d1)
expect "the same new key on both" "$new" "$(fingerprints d2)"
[[ $new =~ ^2\ [0-9a-f]{8}\ signs$ && $new != "2 ${old#* }" ]] && ok "only the new key is left ($old, $new)" ||
    not_ok "only the new key is left" "$old, $new"
expect "the roles have stayed" "standby active" "$(roles)"
none_lost "seven planned moves, reloads and new keys" $planned
expect "and no other moves" 7 "$(moves $planned_wall)"

# ── frozen, and a node is lost; it comes back with the new key only

failover d1 freeze
says "frozen for an hour" "$(status d1)" '"frozen":"for 3(600|5[0-9][0-9]) s"'
killed d2
expect_within "frozen, and the owner is killed: the peer serves" 5 role_is d1 active
expect "a cold standby has filled its table" 6 "$(table d1)"
failover d1 unfreeze
node_start d2
back() { [ "$(hears d1) $(hears d2) $(roles) $(table d2)" = "true true active standby 0" ]; }
expect_within "the killed one is back, with the new key and an empty table" 10 back

# ── a fault of the standby's own, and nothing is heard of the peer

sever d2
hb_cut
critical() { [[ $(failover d2 status --check) =~ ^CRITICAL:\ nobody\ may\ serve\ web:.*\ \(2\)$ ]]; }
expect_within "status --check: a fault, and the peer is silent" 6 critical
says "status --check: the peer is lost" "$(failover d1 status --check)" "^WARNING: peer d2 is lost, silent for .*; web active here \(1\)$"
calls1+=",before_release here,after_release gone,after_active here,before_release here,after_release gone,after_active here"
calls1+=",before_release here,after_release gone,after_active here"
calls2+=",after_active here,before_release here,after_release gone,after_active here,before_release here,after_release gone"
calls2+=",after_active here,after_fault gone"
hooks_expected "all hooks of d1" d1 "$calls1"
hooks_expected "all hooks of d2: none before_release in an emergency" d2 "$calls2"
one_owner "all of it"
