# What `list` shows of a real table beside a running director: health and reasons, filters,
# documents that fit their schema, connections, watching at a terminal, completion.
# shellcheck source=tests/lab/one-director
source "${0%/*}/one-director"

for real in r1 r2; do web $real; done
vip_add d1
r1=${ADDRESS[r1]}:80 r2=${ADDRESS[r2]}:80
schema=$here/../../docs/list.schema.json
cat >$config <<CONFIG
checkinterval=1
checktimeout=2
negotiatetimeout=2
quiescent=yes
virtual=$VIP:80
	real=$r1 gate 2
	real=$r2 gate
	service=http
	request="ldirector.html"
	receive="Test Page"
	scheduler=wrr
	servicename=shop
CONFIG
said=/run/lab/said
exits() { # exits NAME STATUS COMMAND…; what it prints is in $said
    local name=$1 status=$2
    shift 2
    ctl "$@" >$said 2>&1
    expect "$name: exit status" "$status" $?
}
says() { if grep -qE -- "$2" $said; then ok "$1"; else not_ok "$1" "$(cat $said)"; fi; }
fits() { # fits NAME OPTION…: it is JSON that fits the schema
    local name=$1
    shift
    ctl list "$@" >$said 2>&1
    expect "$name" "${documents:-1} fit" "$(python3 "$here/schema.py" "$schema" $said 2>&1)"
}

exits "an empty table, nobody runs" 0 list
says "and says so" "the kernel's table alone, health is unknown: no director answers"
exits "a state that nobody knows" 4 list --state up
director
expect_within "both servers enter" 20 weight_is $VIP:80 $r2 1
wait_until 5 state_is tcp:$VIP:80 $r1 up
exits "the table" 0 list
says "the service by name" "^tcp:$VIP:80 +wrr +2/2 serving .* shop"
says "a server with health beside its weight" "^  $r1 +gate +2 +up [0-9.]+s "
says "totals" "1 service, 2 servers: 2 serving, 0 with weight 0"
says "who told it" "health from directord .* $config"
grep -q $'\e' $said && not_ok "colours" "in a pipe" || ok "no colours in a pipe"
web_stop r2
wait_until 10 weight_is $VIP:80 $r2 0
exits "what is down" 0 list --state down
says "and why" "^  $r2 +gate +0 +down .*(refused|reset)"
expect "and nothing else" 0 "$(grep -c "$r1" $said)"
exits "by name" 0 list --service shop --server ${ADDRESS[r1]}
says "one server" "1 service, 1 server: 1 serving"
exits "what is not there" 1 list --service nosuch
expect "is said in a line" "directord: no service or server fits" "$(cat $said)"

fits "list --json" --json
perl -MJSON::PP -0ne 'my $d = decode_json($_); my ($down) = grep { $_->{weight} == 0 } @{$d->{services}[0]{destinations}};
    print join ",", $d->{services}[0]{name}, $down->{health}{state}, scalar @{$d->{statistics}{per_cpu}}' $said >/run/lab/facts
expect "with name, health and processors" "shop,down,$(nproc)" "$(cat /run/lab/facts)"
documents=3 fits "list --watch --json" --json --watch 0.3 --count 3
exits "list --csv" 0 list --csv
expect "a line for each server" 3 "$(wc -l <$said)"
exits "list --yaml" 0 list --yaml
says "is YAML" "^schema_version: 1"
ctl list --schema | cmp - "$schema" && ok "the schema is the one in docs" || not_ok "schema" "another"

expect "answers" "40 r1" "$(ask client http://$VIP/ 40)"
in_ d1 ipvsadm --set 800 100 200
in_ d1 ipvsadm --start-daemon master --mcast-interface hb0 --syncid 7
exits "list --timeouts" 0 list --timeouts
expect "as they were set" "tcp 800 tcp fin 100 udp 200" "$(awk '$1 == "tcp" && $2 == "fin" { printf "tcp fin %s ", $3; next } $1 ~ /^(tcp|udp)$/ { printf "%s %s ", $1, $2 }' $said | sed 's/ $//')"
exits "list --sync" 0 list --sync
says "the daemon" "^master +hb0 +7 "
fits "list --sync --json" --sync --json
fits "list --timeouts --json" --timeouts --json
in_ d1 ipvsadm --stop-daemon master

# The entries of connections that are over; the same ones for both.
for _ in 1 2 3 4 5; do
    theirs=$(in_ d1 ipvsadm -Lnc | grep -c '^TCP')
    ours=$(ctl list connections --csv | grep -c '^TCP')
    [ "$theirs" = "$ours" ] && break
done
expect "list connections" "$theirs" "$ours"
[ "$ours" -ge 40 ] && ok "all of them" || not_ok "connections" "$ours"
exits "by state and server" 0 list connections --count state,server
says "counted" "^(FIN_WAIT|TIME_WAIT|CLOSE) +$r1 +[0-9]+"
exits "of a client" 0 list connections --client ${ADDRESS[client]}/32 --service tcp:$VIP:80 --server $r1
says "all of them are shown" "^TCP .* ${ADDRESS[client]}:[0-9]+ +$VIP:80 +$r1 +local"
exits "of nobody" 0 list connections --client 203.0.113.77
says "none" "^0 of [0-9]+ entries"
fits "list connections --json" connections --json
fits "list connections --count --json" connections --count service --json

# Six thousand entries in the memory of a few.
memory() { # memory OPTION…: the largest resident size in kB
    in_ d1 python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$DIRECTORD" list connections "$@"
}
few=$(memory --json)
in_ d1 ipvsadm -A -u $VIP:5353 -s rr
in_ d1 ipvsadm -a -u $VIP:5353 -r $r1 -g
in_ client perl -e 'use Socket; for my $port (20000 .. 25999) { socket(my $s, PF_INET, SOCK_DGRAM, 0);
    bind($s, sockaddr_in($port, INADDR_ANY)); send($s, "x", 0, sockaddr_in(5353, inet_aton("'$VIP'"))); close $s }'
ctl list connections --count service >$said
many=$(awk '$1 == "udp:'$VIP':5353" { print $2 }' $said)
[ "${many:-0}" -gt 5400 ] && ok "$many entries" || not_ok "many entries" "$(cat $said)"
much=$(memory --json)
[ $((much - few)) -lt 1000 ] && ok "memory ($few kB, then $much kB)" || not_ok "memory" "$few kB, then $much kB"
in_ d1 ipvsadm -D -u $VIP:5353

exits "watching in a pipe" 0 list --watch 0.3 --count 2
expect "a block each time" 2 "$(grep -c 'every 0.3 s' $said)"
at_terminal() { in_ d1 python3 "$here/keys.py" "every 0.3 s" "$@" "$DIRECTORD" list --watch 0.3; }
expect "q ends it" "status 0, terminal as it was, colours" "$(at_terminal q)"
expect "Ctrl-C ends it" "status 0, terminal as it was, colours" "$(at_terminal '\x03')"
export NO_COLOR=1
expect "NO_COLOR" "status 0, terminal as it was, no colours" "$(at_terminal q)"
unset NO_COLOR

# What a shell would do with the key that completes.
mkdir -p /run/lab/bin
ln -sf "$DIRECTORD" /run/lab/bin/directord
complete_() { # complete_ LINE: the words that bash would offer
    in_ d1 env PATH="/run/lab/bin:$PATH" bash -c 'source <(directord completions bash)
        COMP_LINE=$1 COMP_POINT=${#1}; COMPREPLY=(); _directord 2>/dev/null; echo "${COMPREPLY[*]}"' - "$1"
}
expect "a service is completed behind its colon" "$VIP:80" "$(complete_ 'directord list --service tcp:')"
expect "a server is completed" "$r1" "$(complete_ "directord list --server ${r1%:*}" | tr ' ' '\n' | grep "$r1")"
expect "a word is completed" "quiescent" "$(complete_ 'directord list --state qui')"
expect "so is one in the middle" "--classic" "$(complete_ 'directord list --cl')"

in_ d1 capsh --drop=cap_net_admin -- -c "exec $DIRECTORD list" >$said 2>&1
expect "without the privilege: exit status" 1 $?
expect "and one line" 1 "$(wc -l <$said)"
says "that says what to do" "CAP_NET_ADMIN"
kill -TERM $director
ended 0
