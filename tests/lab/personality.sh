# The program under the name of ldirectord, with a real kernel, as cluster agents, init
# scripts and operators use it: CLI-01, -02, -10, -13…-29, -31, -32, STP-05, LOG-01…03,
# GLO-12, GLO-13, GLO-15, S062, S063. Debian's own init script is one of the witnesses.
# shellcheck source=tests/lab/one-director
source "${0%/*}/one-director"

web r1
vip_add d1
r1=${ADDRESS[r1]}:80
mount -t tmpfs ha.d /etc/ha.d
mkdir /run/lab/sbin
ln -s "$DIRECTORD" /run/lab/sbin/ldirectord
ldirectord() { in_ d1 /run/lab/sbin/ldirectord "$@"; }
log=/run/lab/ldirectord.log
written() { # written PORT [LINE…]: a configuration of one service
    printf '%s\n' "logfile=\"$log\"" checkinterval=1 "${@:2}" "virtual=$VIP:$1" "	real=$r1 gate" "	checktype=on" "	scheduler=rr"
}
x=/run/lab/x.cf
written 80 >$x
pid_file=/var/run/ldirectord.x.cf.pid
full="-A -t $VIP:80 -s rr
-a -t $VIP:80 -r $r1 -g -w 1"
# does NAME STATUS OUT ERR WORD…: exit status and what the two streams match entirely.
does() {
    local name=$1 wanted=$2 out=$3 err=$4 status
    shift 4
    ldirectord "$@" >/run/lab/out 2>/run/lab/err
    status=$?
    if [ $status = "$wanted" ] && [[ $(cat /run/lab/out) =~ ^$out$ && $(cat /run/lab/err) =~ ^$err$ ]]; then
        ok "$name ($status)"
    else
        not_ok "$name" "exit status $status, out \"$(cat /run/lab/out)\", err \"$(cat /run/lab/err)\""
    fi
}
stopped="ldirectord is stopped for $x"
running="ldirectord for $x is running with pid: [0-9]+"

# As the OCF agent: status, start, status at once, monitor, stop, status.
does "status, stopped" 3 "$stopped" "" $x status
does "reload, stopped" 1 "" "" $x reload
does "stop, stopped" 0 "" "" $x stop
does "try-restart, stopped" 0 "" "" $x try-restart
[ ! -e $pid_file ] && ok "nothing was started" || not_ok "pid file" "it is there"
does "start" 0 "" "" $x start
table_is "$full" && ok "the table is set up when start returns" || not_ok "start" "$(table)"
does "status, running" 0 "" "$running" $x status
pid=$(cat $pid_file)
expect "the pid file is one number and a line's end" "$(printf '%s\n' "$pid" | md5sum)" "$(md5sum <$pid_file)"
expect "the process table shows" "/run/lab/sbin/ldirectord $x start " "$(tr '\0' ' ' </proc/"$pid"/cmdline)"
expect "its directory and streams" "/ /dev/null /dev/null /dev/null" \
    "$(readlink /proc/"$pid"/cwd /proc/"$pid"/fd/0 /proc/"$pid"/fd/1 /proc/"$pid"/fd/2 | xargs)"
does "start, running" 0 "" "" $x start
daemons() { pgrep -x ldirectord | wc -l; }
expect "one process" 1 "$(daemons)"
does "status with words after it" 0 "" "$running" $x status junk
does "status after --" 0 "" "$running" -- $x status
watch_kernel
does "restart" 0 "" "" $x restart
[ "$(cat $pid_file)" != "$pid" ] && ok "it is another process" || not_ok "restart" "the same process"
pid=$(cat $pid_file)
does "try-restart" 0 "" "" $x try-restart
[ "$(cat $pid_file)" != "$pid" ] && ok "and another" || not_ok "try-restart" "the same process"
operations_mark
written 80 >$x.new && echo "	real=${ADDRESS[r2]}:80 gate" >>$x.new && mv $x.new $x
does "reload" 0 "" "" $x reload
expect_within "takes the new server" 5 weight_is $VIP:80 "${ADDRESS[r2]}:80" 1
expect "and nothing else" "add-server tcp:$VIP:80 ${ADDRESS[r2]}:80" "$(operations)"
written 80 >$x
does "force-reload" 0 "" "" $x force-reload
expect_within "takes it out" 5 table_is "$full"
grep -q "Reloading Linux Director Daemon config on signal" $log && ok "the log tells of the signal" || not_ok "log" "$(tail -5 $log)"

# A configuration with an error: the running one and its pid file are left alone, but stop stops.
echo nonsense >>$x
operations_mark
broken="Error \[[0-9]+\] reading file $x at line 7: Unknown command \"?nonsense\"?.*"
for action in status start reload restart; do does "$action with a broken file" 2 "" "$broken" $x $action; done
[ -e $pid_file ] && kill -0 "$(cat $pid_file)" && ok "the daemon and its pid file are there" || not_ok "broken file" "no daemon"
untouched "none of these"
does "stop with a broken file" 2 "" "$broken" $x stop
expect "processes, lines of the table, pid files after it" "0 0 0" \
    "$(daemons) $(table | wc -l) $(find /var/run -name '*.pid' | wc -l)"
written 80 >$x
does "then: status" 3 "$stopped" "" $x status

# Stale pid files.
ldirectord $x start
kill -KILL "$(cat $pid_file)"
wait_until 5 eval "! kill -0 $(cat $pid_file) 2>/dev/null"
does "killed: status" 1 "$stopped" "ldirectord stale pid file $pid_file for $x" $x status
operations_mark
does "killed: start" 0 "" "" $x start
untouched "killed: start"
does "status" 0 "" "$running" $x status
ldirectord $x stop
echo $$ >$pid_file
does "somebody else's pid: status" 1 "$stopped" "ldirectord stale pid file $pid_file for $x" $x status
rm $pid_file

# start && status && stop, 50 times.
wrong=0 from=$(now)
for ((n = 1; n <= 50; n++)); do
    ldirectord $x start && [ "$(table)" = "$full" ] && ldirectord $x status 2>/dev/null || wrong=$((wrong + 1))
    ldirectord $x stop && [ -z "$(table)" ] && [ ! -e $pid_file ] || wrong=$((wrong + 1))
done
expect "50 times start && status, then stop, in $(($(now) - from)) ms: wrong" 0 $wrong

# The default configuration, another instance of it, and one that runs two others.
written 80 >/etc/ha.d/ldirectord.cf
does "one word" 0 "" "" start
[ -s /var/run/ldirectord.ldirectord.pid ] && ok "its pid file" || not_ok "pid file" "$(ls /var/run)"
does "status" 0 "" "ldirectord for /etc/ha.d/ldirectord.cf is running with pid: [0-9]+" status
ldirectord stop
written 81 >/etc/ha.d/one.cf
written 82 >/etc/ha.d/two.cf
written 80 execute=one.cf execute=two.cf >$x
does "execute: start" 0 "" "" $x start
expect_within "both children run" 10 eval 'weight_is $VIP:81 ${ADDRESS[r1]}:81 1 && weight_is $VIP:82 ${ADDRESS[r1]}:82 1'
does "status asks the children too" 0 "" "$running.*for /etc/ha.d/one.cf is running.*for /etc/ha.d/two.cf is running.*" $x status
written 80 execute=two.cf >$x
ldirectord $x reload
expect_within "a child that is gone from the file stops" 10 weight_is $VIP:81 "${ADDRESS[r1]}:81" ""
ldirectord $x stop
expect_within "stop stops the other" 10 table_is ""
expect_within "nobody is left" 10 eval '[ "$(daemons)" = 0 ]'

# Where the log goes: the file, syslog, standard output, standard error.
grep -qE "^\[[A-Z][a-z]{2} [A-Z][a-z]{2} +[0-9]+ [0-9:]{8} 20[0-9]{2}\|x.cf\|[0-9]+\] Added real server: $r1 \($VIP:80\) \(Weight set to 1\)" $log &&
    ok "lines of the log file" || not_ok "log file" "$(head -5 $log)"
mv $log $log.1
ldirectord $x start
expect_within "renamed: a new one is made" 3 grep -q "Added real server" $log
ldirectord $x stop
grep -q "terminated on signal: TERM" $log && ok "the end is told" || not_ok "the end" "$(tail -3 $log)"
written 80 | sed 's/^logfile=.*/logfile="local3"/' >$x
perl -MSocket -e 'socket S, PF_UNIX, SOCK_DGRAM, 0; unlink "/dev/log"; bind S, pack_sockaddr_un("/dev/log") or die "$!";
    $| = 1; while (defined recv S, $line, 9999, 0) { print "$line\n" }' >/run/lab/syslog &
listener=$!
wait_until 5 test -S /dev/log
ldirectord $x start
expect_within "syslog: facility local3, level info, tag" 5 grep -qE "^<158>.*ldirectord\[$(cat $pid_file)\]: Added real server: $r1" /run/lab/syslog
ldirectord $x stop
kill $listener
rm -f /dev/log
written 80 supervised=yes >$x
spawn d1 /run/lab/sbin/ldirectord $x start >/run/lab/out 2>/run/lab/err
director=$!
expect_within "supervised: lines on standard output" 10 grep -qE "^\[[A-Z][a-z]{2} [A-Z][a-z]{2} +[0-9]+ [0-9:]{8} 20[0-9]{2}\] Added real server: $r1" /run/lab/out
[ ! -e $pid_file ] && ok "supervised: no pid file" || not_ok "supervised" "pid file"
kill -TERM $director
ended 0 "supervised: exit status"
written 80 >$x
spawn d1 /run/lab/sbin/ldirectord -d $x start >/run/lab/out 2>/run/lab/err
director=$!
expect_within "-d: lines on standard error" 10 grep -q "^Added real server: $r1" /run/lab/err
[ ! -e $pid_file ] && ok "-d: no pid file" || not_ok "-d" "pid file"
kill -TERM $director
ended 0 "-d: exit status"

# Debian's init script, unchanged, with this program in ldirectord's place.
if [ -x /etc/init.d/ldirectord ] && mount --bind "$DIRECTORD" /usr/sbin/ldirectord; then
    echo "CONFIG_FILE=$x" >/run/lab/default
    mount --bind /run/lab/default /etc/default/ldirectord
    for step in "status 3" "start 0" "status 0" "start 0" "reload 0" "restart 0" "status 0" "stop 0" "status 3"; do
        in_ d1 /etc/init.d/ldirectord "${step% *}" >/run/lab/out 2>&1
        expect "the init script: ${step% *}" "${step#* }" $?
    done
    expect "the init script: the table at the end" "" "$(table)"
fi
