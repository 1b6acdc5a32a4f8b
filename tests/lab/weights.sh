# Weights that follow the servers: agents, slow start, damping, the floor, as ipvsadm sees
# them. R22, R25.
# shellcheck source=tests/lab/director
source "${0%/*}/director"

for host in r1 r2; do
    web $host 80 81 82 83
    echo "up 100%" >/run/lab/agent.$host
    spawn $host /usr/bin/python3 -IS "$HERE/agent.py" "${ADDRESS[$host]}" 777 /run/lab/agent.$host >/run/lab/agent.$host.log
    wait_until 10 grep -q ready /run/lab/agent.$host.log
done
# says HOST LINE: what its agent says from now on.
says() { echo "$2" >/run/lab/agent.$1.new && mv /run/lab/agent.$1.new /run/lab/agent.$1; }
# reject HOST PORT, admit HOST PORT: the server refuses connections there, or no longer.
reject() { in_ "$1" iptables-legacy -A INPUT -p tcp --dport "$2" -j REJECT --reject-with tcp-reset; }
admit() { in_ "$1" iptables-legacy -D INPUT -p tcp --dport "$2" -j REJECT --reject-with tcp-reset; }
causes() { # causes SERVICE SERVER: what status says of its state and weight
    "$DIRECTORD" status --json | /usr/bin/python3 -IS -c '
import json, sys
for service in json.load(sys.stdin)["services"]:
    for server in service["servers"]:
        if (service["service"], server["server"]) == (sys.argv[1], sys.argv[2]):
            print(server["state"], *server["weight_causes"], sep=", ")' "$1" "$2"
}
agents=$VIP:80 slow=$VIP:81 flapping=$VIP:82 floor=$VIP:83

director_start <<CONFIG
checktimeout=2
checkinterval=1
quiescent=yes
virtual=$agents
    real=$r1:80 masq 100
    real=$r2:80 masq 100
    checktype=connect
    agentcheck=777
    quiescent=no
virtual=$slow
    real=$r1:81 masq 100
    real=$r2:81 masq 100
    checktype=connect
    slowstart=20
virtual=$flapping
    real=$r1:82 masq 100
    real=$r2:82 masq 100
    checktype=connect
    flapdamping=1000,30,2000,1000
virtual=$floor
    real=$r1:83 masq 100
    real=$r2:83 masq 100
    real=$r3:83 masq 100
    checktype=connect
    floor=50
CONFIG
SOON=15
expect_servers "agents say 100 %" "$r1:80 Masq 100, $r2:80 Masq 100" -t $agents
says r1 "up 50%"
expect_servers "an agent says 50 %" "$r1:80 Masq 50, $r2:80 Masq 100" -t $agents
expect "status of it" "up, agent 50 %" "$(causes tcp:$agents $r1:80)"
says r2 drain
expect_servers "an agent says drain" "$r1:80 Masq 50, $r2:80 Masq 0" -t $agents
expect "status of it" "draining, agent: drain" "$(causes tcp:$agents $r2:80)"
says r2 ready
expect_servers "an agent says ready" "$r1:80 Masq 50, $r2:80 Masq 100" -t $agents
says r1 "down#disk full"
expect_servers "an agent says down" "$r2:80 Masq 100" -t $agents
expect "the reason" "agent: down: disk full" "$(reason tcp:$agents $r1:80)"
says r1 "nonsense"
expect_within "nonsense is told" 10 grep -qF "Agent does not answer: $r1:80" "$LOG"
expect "and changes nothing" "$r2:80 Masq 100" "$(servers -t $agents)"
says r1 "up ready 100%"
expect_servers "an agent says up" "$r1:80 Masq 100, $r2:80 Masq 100" -t $agents

changes_watch 50
reject r1 81
expect_servers "failed" "$r1:81 Masq 0, $r2:81 Masq 100" -t $slow
admit r1 81
SOON=60 expect_servers "after a slow start the weight is whole" "$r1:81 Masq 100, $r2:81 Masq 100" -t $slow
expect "its steps" "0 10 20 30 40 50 60 70 80 90 100" \
    "$(awk -v server=$r1:81 '$3 == server { print $4 }' "$CHANGES" | uniq | tail -11 | paste -sd' ')"

for round in 1 2 3; do
    reject r1 82
    wait_until 5 eval '[ "$(servers -t $flapping)" = "$r1:82 Masq 0, $r2:82 Masq 100" ]'
    admit r1 82
    [ $round = 3 ] || wait_until 5 eval '[[ "$(causes tcp:$flapping $r1:82)" != down* ]]'
done
expect_within "a flapping server is damped" 10 eval '[[ "$(causes tcp:$flapping $r1:82)" = "damped, damped for "* ]]'
expect "and stays out although its check passes" "$r1:82 Masq 0, $r2:82 Masq 100" "$(servers -t $flapping)"
reject r2 82
expect_servers "as the last server it is used" "$r1:82 Masq 100, $r2:82 Masq 0" -t $flapping
admit r2 82
SOON=120 expect_servers "until it is over" "$r1:82 Masq 100, $r2:82 Masq 100" -t $flapping

# r3 has no web server: two of three are in service, which is what half of three asks for.
expect "the floor, before" "$r1:83 Masq 100, $r2:83 Masq 100" "$(servers -t $floor)"
from=$(now)
reject r1 83
reject r2 83
expect_within "the floor is told" 10 grep -qF "Floor of 50 % reached" "$LOG"
wait_until 5 eval '[[ "$(causes tcp:$floor $r2:83)" = down* && "$(causes tcp:$floor $r1:83)" = down* ]]'
expect "the set is kept" "$r1:83 Masq 100, $r2:83 Masq 100" "$(servers -t $floor)"
expect "status of it" "down, kept by the floor" "$(causes tcp:$floor $r1:83)"
"$DIRECTORD" status --check >/run/lab/status
expect "the exit status of status" 2 $?
expect "told once" 1 "$(told "Floor of 50 % reached")"
admit r1 83
admit r2 83
expect_within "it ends by itself" 10 grep -qF "Floor no longer reached" "$LOG"
expect_still "without a change of r1" "$from" $floor $r1:83
expect_still "without a change of r2" "$from" $floor $r2:83
director_stop
expect "nothing is left" "" "$(in_ d1 ipvsadm -Sn)"
