# What becomes of a service whose real servers fail: weights, quiescence, failure counts,
# fallback servers and commands, maintenance files.
source "${0%/*}/director"

mkdir /run/lab/maintenance
cat >/run/lab/command <<'SCRIPT'
#!/bin/sh
echo "$*" >>/run/lab/command.log
SCRIPT
cat >/run/lab/slow-command <<'SCRIPT'
#!/bin/sh
echo "$*" >>/run/lab/slow-command.log
sleep 60
SCRIPT
chmod +x /run/lab/*command
: >/run/lab/command.log
# The servers of each part have ports of their own: 81xx is taken away and given back.
hostile r1 8101=refuse 8103-8104=refuse
one=$hostile_pid
hostile r2 8101=refuse
two=$hostile_pid
hostile r3 8102=refuse 8105=refuse
three=$hostile_pid
web r2
web r1
changes_watch

director_start <<CONFIG
checktimeout=2
checkinterval=1
fallback=127.0.0.1 gate
fallback6=[::1] gate
fallbackcommand=/run/lab/command global
maintenancedir=/run/lab/maintenance

virtual=$VIP:1
    real=$r1:8101 masq 3
    real=$r2:8101 masq 4
    checktype=connect
virtual=$VIP:2
    real=$r1:8101 masq 5 l:10 u:20
    real=$r2:8101 masq 6
    fallback=$r3:8080 masq
    fallbackcommand="/run/lab/command own"
    quiescent=yes
    checktype=connect
virtual=5
    real=$r1:8101 gate
    checktype=connect
    checkport=8101
    fallback=$r2 gate
virtual=$VIP:3
    real=$r3:8102 masq
    checktype=connect
    failurecount=3
virtual=$VIP:4
    real=$r1:8103 masq
    real=$r2:80 masq
    fallback=$r2:80 masq
    checktype=connect
virtual=$VIP:5
    real=$r2:80 masq 0
    checktype=connect
virtual=$VIP:6
    real=$r3:8105 masq
    checktype=connect
    checkinterval=3
    fallbackcommand=/run/lab/slow-command
virtual6=[$VIP6]:80
    real6=[${ADDRESS6[r1]}]:80 gate
    real6=[${ADDRESS6[r2]}]:80 gate
    checktype=connect
virtual=$VIP:80
    real=$r1:80 gate
    real=$r2:80 gate
    checktype=connect
    quiescent=yes
virtual=$VIP:81
    real=$r2:80 masq
    real=$r2:80 masq 9
    checktype=connect
CONFIG

thresholds() { in_ d1 ipvsadm -Ln --thresholds -t "$1" | awk -v r="$2" '$2 == r { print $3, $4 }'; }

expect_servers "weights" "$r1:8101 Masq 3, $r2:8101 Masq 4" -t $VIP:1
expect "thresholds" "20 10" "$(thresholds $VIP:2 "$r1:8101")"
expect_servers "fallback equal to a real server" "$r1:8103 Masq 1, $r2:80 Masq 1" -t $VIP:4
expect_servers "a server of weight 0 hides no fallback" "127.0.0.1:5 Route 1, $r2:80 Masq 0" -t $VIP:5
echo "at the start: $(paste -sd, /run/lab/command.log)"
expect "no command but for the service of weight 0" "global start $VIP:5 tcp" "$(cat /run/lab/command.log)"

# One server goes.
sleep 1
: >/run/lab/command.log
began=$(now)
kill -USR1 "$two"
expect_change "deleted" "$began" 1500 $VIP:1 "$r2:8101" -
expect_change "quiescent" "$began" 1500 $VIP:2 "$r2:8101" 0
expect "the reason is told" 1 "$(told "Quiescent real server: $r2:8101 ($VIP:2) (Weight set to 0)")"
grep "Quiescent real" "$LOG"

# All go: servers, and the one with the slow command.
began=$(now)
kill -USR1 "$one" "$three"
expect_change "fallback of all" "$began" 1600 $VIP:1 127.0.0.1:1 1
expect_change "fallback with a port of its own" "$began" 1600 $VIP:2 "$r3:8080" 1
expect_change "fallback of a mark" "$began" 1600 5 "$r2:0" 1
expect_change "failurecount=3, out" "$began" 3500 $VIP:3 "$r3:8102" -
expect "failurecount=3, told" "1 1" "$(told "Soft failure real server: $r3:8102 (tcp:$VIP:3) failure 1/3") $(told "Soft failure real server: $r3:8102 (tcp:$VIP:3) failure 2/3")"
expect_change "checkinterval of the service" "$began" 3500 $VIP:6 "$r3:8105" -
expect_servers "fallback" "127.0.0.1:1 Route 1" -t $VIP:1
expect_servers "fallback beside quiescent servers" "$r1:8101 Masq 0, $r2:8101 Masq 0, $r3:8080 Masq 1" -t $VIP:2
expect_servers "fallback of a mark" "$r2:0 Route 1" -f 5
expect_servers "fallback equal to a real server, still" "$r2:80 Masq 1" -t $VIP:4
expect "thresholds survive quiescence" "20 10" "$(thresholds $VIP:2 "$r1:8101")"
gap=$(awk -v from="$began" -v s="$VIP:1" '$1 >= from && $2 == s { if ($4 == "-") out = $1; if ($3 ~ /^127/) in_ = $1 }
    END { print in_ - out }' "$CHANGES")
if [ "$gap" -le 0 ]; then ok "the fallback comes before the last server goes ($gap ms)"; else not_ok "the fallback comes before the last server goes" "$gap ms after"; fi
wait_until 3 test -s /run/lab/slow-command.log
expect "a slow command was started" "start $VIP:6 tcp" "$(cat /run/lab/slow-command.log)"

# All come back while that command still sleeps.
began=$(now)
kill -USR2 "$one" "$two" "$three"
expect_change "in again" "$began" 1600 $VIP:1 "$r1:8101" 3
expect_change "restored" "$began" 1600 $VIP:2 "$r1:8101" 5
expect_servers "the fallback is gone" "$r1:8101 Masq 3, $r2:8101 Masq 4" -t $VIP:1
expect_servers "the fallback is gone, not quiescent" "$r1:8101 Masq 5, $r2:8101 Masq 6" -t $VIP:2
expect "thresholds are restored" "20 10" "$(thresholds $VIP:2 "$r1:8101")"
expect_servers "in again, slow command" "$r3:8105 Masq 1" -t $VIP:6
commands() { sort /run/lab/command.log | paste -sd,; }
wanted="global start $VIP:1 tcp,global start $VIP:3 tcp,global start 5:0 fwm,global stop $VIP:1 tcp,global stop $VIP:3 tcp,global stop 5:0 fwm,own start $VIP:2 tcp,own stop $VIP:2 tcp"
wait_until 5 eval '[ "$(commands)" = "$wanted" ]'
expect "commands, only on change" "$wanted" "$(commands)"

# Maintenance.
touch /run/lab/maintenance/"$r1:80"
expect_servers "maintenance, one port" "$r1:80 Route 0, $r2:80 Route 1" -t $VIP:80
expect_servers "maintenance, other ports are not meant" "$r1:8101 Masq 3, $r2:8101 Masq 4" -t $VIP:1
touch "/run/lab/maintenance/[${ADDRESS6[r2]}]:80"
expect_servers "maintenance, IPv6" "[${ADDRESS6[r1]}]:80 Route 1" -t [$VIP6]:80
mv "/run/lab/maintenance/[${ADDRESS6[r2]}]:80" "/run/lab/maintenance/[${ADDRESS6[r1]}]"
expect_servers "maintenance, IPv6 address" "[${ADDRESS6[r2]}]:80 Route 1" -t [$VIP6]:80
rm /run/lab/maintenance/*
expect_servers "maintenance ends" "$r1:80 Route 1, $r2:80 Route 1" -t $VIP:80
touch /run/lab/maintenance/"$r1"
expect_servers "maintenance, an address" "$r2:8101 Masq 4" -t $VIP:1
rm /run/lab/maintenance/*
# What addresses are called.
printf '%s web-one.example.com\n' "$r1" >/run/lab/hosts
mount --bind /run/lab/hosts /etc/hosts
for name in web-one.example.com web-one.example.com:80 web-one web-one:80; do
    touch /run/lab/maintenance/$name
    expect_servers "maintenance, $name" "$r1:80 Route 0, $r2:80 Route 1" -t $VIP:80
    rm /run/lab/maintenance/$name
    expect_servers "maintenance ends, $name" "$r1:80 Route 1, $r2:80 Route 1" -t $VIP:80
done
expect_servers "the same server twice is one" "$r2:80 Masq 9" -t $VIP:81

director_stop
expect "nothing is left" "" "$(in_ d1 ipvsadm -Sn)"
tail -n 100 "$LOG"
