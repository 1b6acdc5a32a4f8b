# D02, D29, B6: the director is killed. The kernel goes on, the next one takes over what it
# finds, and nothing is entered on hope.
# shellcheck source=tests/lab/one-director
source "${0%/*}/one-director"

web r1 80 81
for real in r2 r3; do web $real; done
vip_add d1
mkdir -p /run/lab/maintenance
touch "/run/lab/maintenance/${ADDRESS[r3]}"
cat >$config <<CONFIG
checkinterval=1
checktimeout=2
negotiatetimeout=2
maintenancedir=/run/lab/maintenance
virtual=$VIP:80
	real=${ADDRESS[r1]}:80 gate
	real=${ADDRESS[r2]}:80 gate
	real=${ADDRESS[r3]}:80 gate
	service=http
	request="ldirector.html"
	receive="Test Page"
	scheduler=rr
virtual=$VIP:81
	real=${ADDRESS[r1]}:81 gate
	checktype=connect
	scheduler=rr
CONFIG
http=tcp:$VIP:80
in_service() { weight_is $VIP:80 "${ADDRESS[$1]}:80" 1; }
out() { weight_is $VIP:80 "${ADDRESS[$1]}:80" ""; }
counted() { in_ d1 ipvsadm -Ln --stats --exact | awk '/->/ && $3 ~ /^[0-9]/ { sum += $3 } END { print sum }'; }
restarted() { director && wait_until 20 state_is $http "${ADDRESS[r1]}:80" up; }

watch_kernel
director
expect_within "both servers enter" 30 eval 'in_service r1 && in_service r2'
client_start
download_start "http://$VIP:81/slow"
expect_within "a download runs" 5 test -s /run/lab/download
before=$(table)
connections=$(counted)

operations_mark
killed
sleep 2
untouched "killed: the kernel"
table_is "$before" && ok "killed: the same table" || not_ok "killed: the same table" "$(table)"
none_lost "killed: the client"
restarted
sleep 1
untouched "started again: the kernel"
none_lost "started again: the client"
[ "$(counted)" -gt "$connections" ] && ok "the entries' counters go on ($connections, $(counted))" ||
    not_ok "counters" "$connections before, $(counted) after"
download_goes_on && ok "the download goes on" || not_ok "download" "it ended"

# A server that is dead and out stays out; nobody tries it with a client's request.
web_stop r2
expect_within "a dead server leaves" 10 out r2
sleep 0.5
client_mark
operations_mark
killed
restarted
sleep 2
untouched "started again: the dead server is not entered"
none_lost "started again: the client without it"

# A server that dies while there is no director.
web r2
expect_within "it is back" 10 in_service r2
operations_mark
killed
web_stop r2
restarted
expect_within "a server that died meanwhile leaves" 10 out r2
expect "and only that is asked" "delete-server $http ${ADDRESS[r2]}:80" "$(operations)"
client_mark
expect "maintenance outlasts it all" maintenance "$(state $http "${ADDRESS[r3]}:80")"
rm "/run/lab/maintenance/${ADDRESS[r3]}"
expect_within "the end of maintenance" 10 in_service r3
none_lost "the client since then"
download_goes_on && ok "the download still goes on" || not_ok "download" "it ended"

# More, less and other than the configuration in the table that the next one finds: what is
# asked of the kernel is the difference.
web r2
expect_within "all in" 10 in_service r2
killed
in_ d1 ipvsadm -d -t $VIP:80 -r "${ADDRESS[r2]}:80"
in_ d1 ipvsadm -a -t $VIP:80 -r 192.0.2.99:80 -g
in_ d1 ipvsadm -e -t $VIP:80 -r "${ADDRESS[r3]}:80" -g -w 7
operations_mark
restarted
expect_within "the whole table again" 10 eval 'in_service r2 && in_service r3 && ! table | grep -q 192.0.2.99'
expect "by the difference alone" "add-server $http ${ADDRESS[r2]}:80;delete-server $http 192.0.2.99:80;set-server $http ${ADDRESS[r3]}:80" \
    "$(operations | sort | paste -sd';')"
