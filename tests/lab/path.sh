# The check through the virtual address: what is wrong on a real server, though its own
# address answers. d1 holds the virtual addresses, as the active director does.
source "${0%/*}/director"

site() { # web servers on every address, and the tunnel's end
    web "$1" 80 81 '[::]:80'
    in_ "$1" sh -c 'ip link add tunnel type ipip local any 2>/dev/null; ip link set tunl0 up'
    in_ "$1" sysctl -qw net.ipv4.conf.{all,eth0,tunl0}.rp_filter=0
}
site r1
site r2
vip_add d1
set_up() { ip -n d1 rule show && ip -n d1 route show table all && ip -n d1 address show; }
# Not while the site's own addresses are still being looked for.
wait_until 10 eval '[ -z "$(ip -n d1 address show tentative)" ]'
before=$(set_up | sed 's/ *valid_lft.*//')
in_ d1 sysctl -qw net.ipv4.conf.all.log_martians=0

director_start <<CONFIG
checktimeout=2
negotiatetimeout=2
checkinterval=1
quiescent=yes

virtual=$VIP:80
    real=$r1:80 gate
    real=$r2:80 gate
    service=http
    checkpath=yes
    scheduler=rr
virtual6=[$VIP6]:80
    real6=[${ADDRESS6[r1]}]:80 gate
    real6=[${ADDRESS6[r2]}]:80 gate
    service=http
    checkpath=yes
virtual=$VIP:81
    real=$r1 ipip
    real=$r2 ipip
    service=http
    checkport=80
    checkpath=yes
CONFIG

# line SERVICE SERVER: what status says of a server.
line() { "$DIRECTORD" status | awk -v service="$1" -v server="$2" '
    /^[^ ]/ { now = $1 } now == service && $1 == server' ; }
is() { line "$2" "$3" | awk -v wanted="$1" '{ found = $2 == wanted } END { exit !found }'; }
says() { [[ $(line "$2" "$3") == *"$1"* ]]; }
direct=tcp:$VIP:80 direct6="tcp:[$VIP6]:80" tunnel=tcp:$VIP:81
expect_up() { expect_within "$1: up" 8 is up "$2" "$3"; }
expect_down() { # NAME SERVICE SERVER REASON
    expect_within "$1: down" 10 is down "$2" "$3"
    if wait_until 5 says "$4" "$2" "$3"; then ok "$1: why"; else not_ok "$1: why" "$(line "$2" "$3")"; fi
}

for server in "$r1:80" "$r2:80"; do expect_up "direct" $direct "$server"; done
for server in "[${ADDRESS6[r1]}]:80" "[${ADDRESS6[r2]}]:80"; do expect_up "direct, IPv6" "$direct6" "$server"; done
for server in "$r1:81" "$r2:81"; do expect_up "tunnel" $tunnel "$server"; done

# The witness: requests for the virtual address in frames to r1 alone, each reset.
mac=$(ip -n r1 -br link show eth0 | awk '{ print $3 }')
in_ r1 timeout 8 tcpdump -n -e -i eth0 "tcp and src ${ADDRESS[d1]} and dst $VIP" >/run/lab/seen 2>/dev/null
expect "requests go to the server's Ethernet address" \
    "$(grep -c 'Flags \[S\]' /run/lab/seen)" "$(grep 'Flags \[S\]' /run/lab/seen | grep -c "> $mac")"
expect "there are some" yes "$([ "$(grep -c 'Flags \[S\]' /run/lab/seen)" -ge 2 ] && echo yes)"
expect "each is reset" "$(grep -c 'Flags \[S\]' /run/lab/seen)" "$(grep -c 'Flags \[R\]' /run/lab/seen)"
expect "nothing is left on the server" 0 "$(in_ r1 ss -Htn state syn-recv | wc -l)"
expect "none reaches the load balancer" 0 \
    "$(in_ d1 ipvsadm -Lnc | grep -c "${ADDRESS[d1]}:")"

good=0
for _ in $(seq 40); do
    [ -n "$(in_ client curl -s -m 2 "http://$VIP/")" ] && good=$((good + 1))
done
expect "clients meanwhile" 40 $good

# ── direct routing

ip -n r1 address delete $VIP/32 dev lo
expect_down "address missing" $direct "$r1:80" "path through the virtual address: no answer (is the address on lo"
expect "… its own address answers" 200 "$(in_ d1 curl -s -o /dev/null -w '%{http_code}' "http://$r1/")"
expect "… the other server stays" up "$(line $direct "$r2:80" | awk '{ print $2 }')"
in_ r1 sysctl -qw net.ipv4.ip_forward=1
sleep 3
expect "… and forwarding does not hide it" down "$(line $direct "$r1:80" | awk '{ print $2 }')"
in_ r1 sysctl -qw net.ipv4.ip_forward=0
ip -n r1 address add $VIP/32 dev lo
expect_up "address back" $direct "$r1:80"

ip -n r1 address delete $VIP6/128 dev lo
expect_down "IPv6 address missing" "$direct6" "[${ADDRESS6[r1]}]:80" "no answer (is the address on lo"
ip -n r1 address add $VIP6/128 dev lo nodad
expect_up "IPv6 address back" "$direct6" "[${ADDRESS6[r1]}]:80"

in_ r1 sysctl -qw net.ipv4.conf.all.arp_ignore=0
expect_down "loud in ARP" $direct "$r1:80" "the server answers ARP for $VIP"
in_ r1 sysctl -qw net.ipv4.conf.all.arp_ignore=1
expect_up "quiet again" $direct "$r1:80"

in_ r1 iptables-legacy -A INPUT -d $VIP -p tcp --dport 80 -j REJECT --reject-with tcp-reset
expect_down "not served there" $direct "$r1:80" "connections to $VIP:80 are refused"
in_ r1 iptables-legacy -F INPUT
expect_up "served again" $direct "$r1:80"

# ── tunnel

ip -n r2 link set tunl0 down
expect_down "tunnel down" $tunnel "$r2:81" "no answer (is the address on lo or the tunnel there"
expect "… direct routing is not concerned" up "$(line $direct "$r2:80" | awk '{ print $2 }')"
ip -n r2 link set tunl0 up
expect_up "tunnel up" $tunnel "$r2:81"
in_ r2 sysctl -qw net.ipv4.conf.tunl0.rp_filter=1
expect_down "rp_filter" $tunnel "$r2:81" "rp_filter off?"
in_ r2 sysctl -qw net.ipv4.conf.tunl0.rp_filter=0
expect_up "rp_filter off" $tunnel "$r2:81"

# ── on the standby, which does not hold the address

vip_delete d1
vip_add d2
expect_within "still up without the address here" 5 is up $direct "$r1:80"
sleep 3
expect "and stays" up "$(line $direct "$r1:80" | awk '{ print $2 }')"
ip -n r1 address delete $VIP/32 dev lo
expect_down "address missing, seen by the standby" $direct "$r1:80" "no answer"
# Sent on, the request would reach the director that holds the address, and another server.
in_ d2 ipvsadm -A -t $VIP:80 -s rr
in_ d2 ipvsadm -a -t $VIP:80 -r "$r2:80" -g
in_ r1 sysctl -qw net.ipv4.ip_forward=1
sleep 4
expect "… and forwarding does not hide it" down "$(line $direct "$r1:80" | awk '{ print $2 }')"
in_ r1 sysctl -qw net.ipv4.ip_forward=0
vip_delete d2
vip_add d1

director_stop
expect "exit status" 0 $?
after=$(set_up | sed 's/ *valid_lft.*//')
expect "nothing is left over" "" "$(diff <(echo "$before") <(echo "$after"))"
