# The real server's half of direct routing on r3, from a bare host and back; and what a
# director says of its own host when it starts.
source "${0%/*}/scenario"

real() { in_ r3 "$DIRECTORD" realserver "$@"; }
setting() { in_ r3 sysctl -n "net.ipv4.conf.all.$1"; }
loud() { in_ r3 sysctl -qw net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.all.arp_announce=0; }
r3_mac=$(ip -n r3 -br link show eth0 | awk '{ print $3 }')

# who_has: whom the client takes for the virtual address after asking for it.
who_has() {
    ip -n client neigh flush dev eth0
    in_ client ping -q -c1 -W1 $VIP >/dev/null
    whose
}
# whose: what the client knows already.
whose() {
    local found
    found=$(ip -n client neigh show to $VIP | sed -n 's/.*lladdr \([^ ]*\).*/\1/p')
    case $found in
    '') echo nobody ;;
    "$r3_mac") echo r3 ;;
    *) echo another ;;
    esac
}
# announced: whom the client takes for it after r3 has asked for the client in its name.
announced() {
    ip -n client neigh flush dev eth0
    ip -n r3 neigh flush dev eth0
    in_ r3 ping -q -c1 -W1 -I $VIP "${ADDRESS[client]}" >/dev/null
    whose
}
status_of() { "$@" >/run/lab/out 2>/run/lab/err; echo $?; }

# ── a host without anything

loud
ip -n r3 address delete $VIP/32 dev lo
ip -n r3 address delete $VIP6/128 dev lo
expect "bare: status" 1 "$(status_of real status)"
expect "bare: what mends it" 1 "$(grep -c 'directord realserver setup VIP' /run/lab/out)"

# The negative control: the address alone makes it answer in the director's place.
ip -n r3 address add $VIP/32 dev lo
expect "address without settings: answers ARP" r3 "$(who_has)"
expect "address without settings: announces it" r3 "$(announced)"
expect "address without settings: status" 1 "$(status_of real status $VIP --json)"
expect "address without settings: not quiet" 1 "$(grep -c '"quiet": false' /run/lab/out)"
ip -n r3 address delete $VIP/32 dev lo

# ── what does not change anything

expect "without the privilege" 1 \
    "$(status_of in_ r3 setpriv --bounding-set=-net_admin "$DIRECTORD" realserver setup $VIP)"
expect "without the privilege: said" "directord: realserver setup: permission denied, CAP_NET_ADMIN is needed" \
    "$(head -n 1 /run/lab/err)"
expect "print" 0 "$(status_of real setup $VIP $VIP6 --print ip)"
expect "a subnet is refused" 2 "$(status_of real setup $VIP/24)"
expect "an unknown interface is refused" 1 "$(status_of real setup $VIP --interface eth9)"
ip -n r3 address add $VIP/24 dev eth0
expect "an address in the director's place is refused" 1 "$(status_of real setup $VIP)"
expect "… with what mends it" 1 "$(grep -c "ip address delete $VIP/24 dev eth0" /run/lab/err)"
ip -n r3 address delete $VIP/24 dev eth0
expect "nothing was changed" "0 0 0" \
    "$(setting arp_ignore) $(setting arp_announce) $(ip -n r3 -br address show to $VIP | wc -l)"
ln -s /etc/passwd /run/lab/link
mkdir -p /run/directord
ln -s /run/lab/link /run/directord/realserver.json
expect "a link in place of the record is refused" 1 "$(status_of real setup $VIP)"
expect "… and nothing was changed" 0 "$(setting arp_ignore)"
rm /run/directord/realserver.json

# ── setup

expect "setup" 0 "$(status_of real setup $VIP $VIP6 --interface eth0)"
cat /run/lab/out /run/lab/err
expect "settings" "1 2" "$(setting arp_ignore) $(setting arp_announce)"
expect "answers no ARP" nobody "$(who_has)"
expect "announces nothing" nobody "$(announced)"
expect "status" 0 "$(status_of real status)"
expect "the record is private" 600 "$(stat -c %a /run/directord/realserver.json)"
expect "setup again" 0 "$(status_of real setup $VIP $VIP6)"
expect "setup again: nothing to do" 0 "$(grep -c -e '(was ' -e added /run/lab/out)"

# The larger value counts, and a larger one can be louder (kernel note 0022).
in_ r3 sysctl -qw net.ipv4.conf.eth0.arp_ignore=3
expect "a louder interface: answers ARP" r3 "$(who_has)"
expect "a louder interface: status" 1 "$(status_of real status)"
expect "a louder interface: setup" 0 "$(status_of real setup $VIP)"
expect "a louder interface: quiet" nobody "$(who_has)"

web r3
vip_add d1
in_ d1 ipvsadm -R <<TABLE
-A -t $VIP:80 -s rr
-a -t $VIP:80 -r ${ADDRESS[r3]}:80 -g
-A -t [$VIP6]:80 -s rr
-a -t [$VIP6]:80 -r [${ADDRESS6[r3]}]:80 -g
TABLE
expect "direct routing" "10 r3" "$(ask client http://$VIP/ 10)"
expect "direct routing, IPv6" "10 r3" "$(ask client "http://[$VIP6]/" 10)"

# ── undo

expect "undo of one" 0 "$(status_of real undo $VIP6)"
expect "… keeps the settings for the other" "1 2" "$(setting arp_ignore) $(setting arp_announce)"
expect "… which is still served" "2 r3" "$(ask client http://$VIP/ 2)"
expect "undo of the last" 0 "$(status_of real undo $VIP)"
cat /run/lab/out /run/lab/err
expect "… restores the settings" "0 0" "$(setting arp_ignore) $(setting arp_announce)"
expect "… and those of eth0" 0 "$(in_ r3 sysctl -n net.ipv4.conf.eth0.arp_ignore)"
expect "… and removes the record" "" "$(ls /run/directord)"
expect "status afterwards" 1 "$(status_of real status $VIP)"

# What another hand made quiet stays so.
site_direct
expect "undo without a record" 0 "$(status_of real undo $VIP)"
expect "… says so" 1 "$(grep -c 'no record' /run/lab/out)"
expect "… and keeps the settings" "1 2" "$(setting arp_ignore) $(setting arp_announce)"

# What is printed for a shell does the same.
loud
real setup $VIP $VIP6 --print ip >/run/lab/commands
in_ r3 sh -e /run/lab/commands
expect "printed commands" 0 "$(status_of real status $VIP $VIP6)"

# ── what a director says of its host

cat >/run/lab/masq.cf <<CONFIG
checkinterval=1
checktimeout=1
virtual=$VIP:80
	real=${ADDRESS[r1]}:80 masq
	checktype=connect
	protocol=tcp
	scheduler=rr
CONFIG
cp "$(command -v sleep)" /run/lab/ldirectord
spawn d1 /run/lab/ldirectord 300
rival=$!

# told NAME: starts a director, waits for what it says last, and ends it.
told() {
    spawn d1 "$DIRECTORD" run -c /run/lab/masq.cf --log-stderr --socket "/run/lab/$1.sock" \
        >/run/lab/log 2>&1
    local director=$!
    expect_within "$1: the other daemon is named" 20 grep -q "ldirectord is running (process $rival)" /run/lab/log
    kill "$director"
    wait "$director" 2>/dev/null
    cat /run/lab/log
}
says() { grep -c "$1" /run/lab/log; }

in_ d1 sysctl -qw net.ipv4.ip_forward=0
told "without forwarding"
expect "without forwarding: told, with what mends it" 1 "$(says 'to mend it: sysctl -w net.ipv4.ip_forward=1')"
in_ d1 sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.eth0.send_redirects=1
told "with forwarding"
expect "with forwarding: not told" 0 "$(says ip_forward)"
expect "redirects: told" 1 "$(says 'send_redirects is on for eth0')"
expect "a local address: not told" 0 "$(says 'do not reach IPVS')"
in_ d1 sysctl -qw net.ipv4.conf.eth0.send_redirects=0
vip_delete d1
told "without the address"
expect "without the address: told" 1 "$(says "ip address add $VIP/32 dev eth0")"
expect "no redirects: not told" 0 "$(says send_redirects)"
ip -n d1 route add local $VIP dev lo
told "with a local route"
expect "with a local route: not told" 0 "$(says 'do not reach IPVS')"

in_ d1 sysctl -qw net.ipv4.ip_forward=0
in_ d1 "$DIRECTORD" plan --assume-up /run/lab/masq.cf >/run/lab/out 2>/run/lab/err
expect "plan warns too" 2 "$(grep -c '^directord: warning: ' /run/lab/err)"
in_ d2 "$DIRECTORD" plan --assume-up /run/lab/masq.cf >/run/lab/out 2>/run/lab/err
expect "a daemon of another network is no rival" 0 "$(grep -c 'is running' /run/lab/err)"
kill $rival
