source "${0%/*}/pair"
pair_config
"$DIRECTORD" config check --help
for real in r1 r2; do outside $real perl "$here/pair-server.pl" $real; done
witness_start
time node_start d1; node_start d2
sleep 3
time role d1
time status d1
roles
guard_of d1
cat $pair/d1.log
vip_add d1 $VIP
in_ d1 ipvsadm -Ln
probe_start
transfer_start
long_start 200
sleep 3
mark; sleep 3; none_lost "x"; long_alive "l"; 
sever d1; sleep 0.5; mend d1; sleep 1
expect_gap "gap" 700
transfer_whole t
owners_seen
tail -3 $pair/segment
head -5 $pair/addresses.d1
top -b -n 1 | head -20
ok done
