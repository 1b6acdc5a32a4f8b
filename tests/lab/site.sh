# The site itself: both ways of forwarding, both address families, with ipvsadm as director.
source "${0%/*}/scenario"

table() { # table METHOD: r1 and r2 on both addresses
    in_ d1 ipvsadm -C
    in_ d1 ipvsadm -R <<TABLE
-A -t $VIP:80 -s rr
-a -t $VIP:80 -r ${ADDRESS[r1]}:80 $1
-a -t $VIP:80 -r ${ADDRESS[r2]}:80 $1
-A -t [$VIP6]:80 -s rr
-a -t [$VIP6]:80 -r [${ADDRESS6[r1]}]:80 $1
-a -t [$VIP6]:80 -r [${ADDRESS6[r2]}]:80 $1
TABLE
}

for real in r1 r2; do web $real; done
vip_add d1

table -g
expect "direct routing, a neighbour" "5 r1, 5 r2" "$(ask client http://$VIP/ 10)"
expect "direct routing, a neighbour, IPv6" "5 r1, 5 r2" "$(ask client "http://[$VIP6]/" 10)"
expect "direct routing, behind the router" "5 r1, 5 r2" "$(ask remote http://$VIP/ 10)"
expect "direct routing, behind the router, IPv6" "5 r1, 5 r2" "$(ask remote "http://[$VIP6]/" 10)"

site_masquerade d1
table -m
expect "masquerading" "5 r1, 5 r2" "$(ask remote http://$VIP/ 10)"
expect "masquerading, IPv6" "5 r1, 5 r2" "$(ask remote "http://[$VIP6]/" 10)"

# The negative control: what answers is the director's table, nothing else.
in_ d1 ipvsadm -C
expect "no table, no answer" "2 none" "$(ask remote http://$VIP/ 2)"

site_direct
table -g
in_ d1 ipvsadm -e -t $VIP:80 -r "${ADDRESS[r1]}:80" -g -w 0
expect "weight as the kernel has it" 0 "$(weight d1 $VIP:80 "${ADDRESS[r1]}:80")"
expect "weight 0 takes nothing new" "4 r2" "$(ask client http://$VIP/ 4)"

vip_delete d1
vip_add d2
in_ d1 ipvsadm -Sn | in_ d2 ipvsadm -R
expect "the other director" "1 r1, 1 r2" "$(in_ d2 ipvsadm -E -t $VIP:80 -s rr; in_ d2 ipvsadm -e -t $VIP:80 -r "${ADDRESS[r1]}:80" -g -w 1; ask client http://$VIP/ 2)"
unplug d2
expect "an unplugged director" "1 none" "$(ask client http://$VIP/ 1)"
plug d2
expect_within "plugged in again" 3 in_ client ping -q -c1 -W1 "${ADDRESS[d2]}"
