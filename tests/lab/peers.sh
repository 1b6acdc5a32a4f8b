# The peers from Debian's packages, as subjects of the same faults: that they behave on
# this site as they do elsewhere shows that the site is right.
source "${0%/*}/scenario"

for real in r1 r2; do web $real; done
vip_add d1

cat >/run/lab/ldirectord.cf <<CONFIG
checktimeout=2
checkinterval=1
quiescent=yes
virtual=$VIP:80
	real=${ADDRESS[r1]}:80 gate
	real=${ADDRESS[r2]}:80 gate
	service=http
	request="ldirector.html"
	receive="Test Page"
	scheduler=rr
	protocol=tcp
	checktype=negotiate
CONFIG
in_ d1 ldirectord -d /run/lab/ldirectord.cf start >/run/lab/ldirectord.log 2>&1 &

weight_is() { [ "$(weight d1 $VIP:80 "${ADDRESS[$1]}:80")" = "$2" ]; }
both_up() { weight_is r1 1 && weight_is r2 1; }

expect_within "ldirectord: both servers in" 60 both_up
expect "ldirectord: both answer" "2 r1, 2 r2" "$(ask client http://$VIP/ 4)"
web_page r1 "Under repair"
expect_within "ldirectord: wrong page, out" 30 weight_is r1 0
web_page r1 "Test Page"
expect_within "ldirectord: right page, in" 30 weight_is r1 1
web_stop r2
expect_within "ldirectord: dead, out" 30 weight_is r2 0
kill %1
wait
web r2
in_ d1 ipvsadm -C

cat >/run/lab/keepalived.conf <<CONFIG
virtual_server $VIP 80 {
    delay_loop 1
    lb_algo rr
    lb_kind DR
    protocol TCP
    inhibit_on_failure
    real_server ${ADDRESS[r1]} 80 { inhibit_on_failure
      TCP_CHECK { connect_timeout 2 } }
    real_server ${ADDRESS[r2]} 80 { inhibit_on_failure
      TCP_CHECK { connect_timeout 2 } }
}
CONFIG
in_ d1 keepalived --check -n -l -D -f /run/lab/keepalived.conf >/run/lab/keepalived.log 2>&1 &
expect_within "keepalived: both servers in" 60 both_up
web_stop r2
expect_within "keepalived: dead, out" 30 weight_is r2 0
expect "keepalived: the other answers" "4 r1" "$(ask client http://$VIP/ 4)"
tail -n 5 /run/lab/*.log
