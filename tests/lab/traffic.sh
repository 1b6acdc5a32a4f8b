# Clients: every way of forwarding, and requests without end while servers go and come.
source "${0%/*}/director"

mkdir /run/lab/maintenance
for host in r1 r2 r3; do
    web $host 80 82 83 '[::]:80'
    # Tunnelled packets are taken out here, whatever route the client has.
    in_ $host sh -c 'ip link add tunnel type ipip local any 2>/dev/null; ip link set tunl0 up'
    in_ $host sysctl -qw net.ipv4.conf.{all,tunl0}.rp_filter=0
    spawn $host /usr/bin/python3 -IS "$HERE/hostile.py" "${ADDRESS[$host]}" 53=udp >/dev/null
done
vip_add d1
# A client that takes a port it used some minutes ago meets the connection of then in the
# director's memory, and with it a server that is quiescent by now. With this setting a new
# connection is then scheduled anew.
in_ d1 sysctl -qw net.ipv4.vs.expire_nodest_conn=1
in_ d1 iptables-legacy -t mangle -A PREROUTING -d $VIP -p tcp --dport 83 -j MARK --set-mark 1
changes_watch

director_start <<CONFIG
checktimeout=2
checkinterval=1
quiescent=yes
maintenancedir=/run/lab/maintenance

virtual=$VIP:80
    real=$r1:80 gate
    real=$r2:80 gate
    fallback=$r3:80 gate
    service=http
    scheduler=rr
virtual6=[$VIP6]:80
    real6=[${ADDRESS6[r1]}]:80 gate
    real6=[${ADDRESS6[r2]}]:80 gate
    service=http
    scheduler=rr
virtual=$VIP:82
    real=$r1 ipip
    real=$r2 ipip
    service=http
    checkport=80
    scheduler=rr
virtual=1
    real=$r1 gate
    real=$r2 gate
    service=http
    checkport=80
    scheduler=rr
virtual=$VIP:53
    real=$r1:53 gate
    real=$r2:53 gate
    protocol=udp
    ops=yes
    checktype=ping
    scheduler=rr
virtual=$VIP:54
    real=$r1:53 masq
    real=$r2:53 masq
    protocol=udp
    ops=yes
    checktype=ping
    scheduler=rr
virtual=$VIP:55
    real=$r1:53 masq
    real=$r2:53 masq
    protocol=udp
    checktype=ping
    scheduler=rr
virtual=$VIP:81
    real=$r1:80 masq
    real=$r2:80 masq
    service=http
    scheduler=rr
CONFIG
expect_servers "in" "$r1:80 Route 1, $r2:80 Route 1" -t $VIP:80
expect_servers "in, IPv6" "[${ADDRESS6[r1]}]:80 Route 1, [${ADDRESS6[r2]}]:80 Route 1" -t "[$VIP6]:80"
expect_servers "in, tunnel" "$r1:82 Tunnel 1, $r2:82 Tunnel 1" -t $VIP:82
SOON=6 expect_servers "in, mark" "$r1:0 Route 1, $r2:0 Route 1" -f 1
SOON=6 expect_servers "in, udp" "$r1:53 Route 1, $r2:53 Route 1" -u $VIP:53
expect "direct routing" "3 r1, 3 r2" "$(ask client http://$VIP/ 6)"
expect "direct routing, IPv6" "3 r1, 3 r2" "$(ask client "http://[$VIP6]/" 6)"
expect "tunnel" "3 r1, 3 r2" "$(ask client http://$VIP:82/ 6)"
expect "mark" "3 r1, 3 r2" "$(ask client http://$VIP:83/ 6)"
datagrams() { in_ "$2" /usr/bin/python3 -IS "$HERE/client.py" $VIP "$1" udp 6 | awk '{ n[$2]++ } END { for (who in n) print n[who], who }' | sort -k2 | paste -sd,; }
expect "udp, one packet at a time" "3 $r1,3 $r2" "$(datagrams 53 client)"

# A client without end.
REQUESTS=/run/lab/requests
spawn client /usr/bin/python3 -IS "$HERE/client.py" $VIP 80 >$REQUESTS
client=$!
trap 'kill $watcher $client 2>/dev/null' EXIT
# asked FROM TO: requests and failures between two moments; "" is no limit.
asked() { awk -v from="$1" -v to="${2:-9e15}" '$1 >= from && $1 < to { n++; bad += /failed/ } END { print n + 0, bad + 0 }' $REQUESTS; }
expect_no_failure() { # expect_no_failure NAME FROM [TO]
    local n bad
    read -r n bad < <(asked "$2" "${3:-}")
    if [ "$n" -gt 5 ] && [ "$bad" = 0 ]; then ok "$1 (0 of $n requests failed)"; else not_ok "$1" "$bad of $n requests failed"; fi
    awk -v from="$2" '$1 >= from && /failed/' $REQUESTS
}
state() { expect_servers "$1" "$2" -t $VIP:80; }
sleep 1
began=$(now)
for file in "$r1" "$r2"; do
    touch "/run/lab/maintenance/$file"
    wait_until 4 eval '[ "$(weight d1 $VIP:80 "$file:80")" = 0 ]'
    sleep 0.5
    rm "/run/lab/maintenance/$file"
    wait_until 4 eval '[ "$(weight d1 $VIP:80 "$file:80")" = 1 ]'
done
expect_no_failure "maintenance of one after the other" "$began"
began=$(now)
touch /run/lab/maintenance/{"$r1","$r2"}
state "all in maintenance" "$r1:80 Route 0, $r2:80 Route 0, $r3:80 Route 1"
sleep 0.5
expect_no_failure "maintenance of all: to the fallback" "$began"
rm /run/lab/maintenance/*
state "none in maintenance" "$r1:80 Route 1, $r2:80 Route 1"
sleep 1.2
began=$(now)
sleep 0.5
expect_no_failure "maintenance of all: back from the fallback" "$began"

web_stop r1
state "one died" "$r1:80 Route 0, $r2:80 Route 1"
gone=$(now)
sleep 1
expect_no_failure "after the removal of a failed server" "$gone"
began=$(now)
web r1 80 82 83 '[::]:80'
state "it is back" "$r1:80 Route 1, $r2:80 Route 1"
sleep 0.5
expect_no_failure "a server comes back" "$began"
began=$(now)
web_stop r1
web_stop r2
state "all died" "$r1:80 Route 0, $r2:80 Route 0, $r3:80 Route 1"
gone=$(now)
sleep 1
echo "from the death of all to the fallback, requests and failures: $(asked "$began" "$gone")"
expect_no_failure "after the switch to the fallback" "$gone"
began=$(now)
for host in r1 r2; do web $host 80 82 83 '[::]:80'; done
state "all are back" "$r1:80 Route 1, $r2:80 Route 1"
sleep 1.2
# The fallback is deleted, not quiesced: the one request that is with it just then is lost.
switched=$(awk -v from="$began" -v s="$VIP:80" -v r="$r3:80" '$1 > from && $2 == s && $3 == r && $4 == "-" { print $1 }' "$CHANGES")
expect_no_failure "until the fallback goes" "$began" $((switched - 100))
expect_no_failure "after the fallback has gone" "$switched"
kill "$client"

site_masquerade d1
expect "masquerading" "3 r1, 3 r2" "$(ask remote http://$VIP:81/ 6)"
expect "masquerading, udp" "6 $r2" "$(datagrams 55 remote)"
# No connection is kept, so nothing says how to translate the answers.
expect "masquerading, one packet at a time: no answers" "6 failed:" "$(datagrams 54 remote)"
director_stop
expect "nothing is left" "" "$(in_ d1 ipvsadm -Sn)"
