# Mail about servers that fail and come back, at a real mail server; a mail server that is
# dead holds up nothing; monitor files: GLO-20 to GLO-25, VIR-28, LOG-07 to LOG-14.
source "${0%/*}/director"

MX=${ADDRESS[client]}
mail=/run/lab/mail
# postfix writes each mail to a file, as user nobody.
postfix_setup() {
    mkdir -p $mail/{etc,queue,data,box}
    chmod 755 /run/lab $mail
    chown postfix $mail/data
    chown nobody $mail/box
    cat >$mail/etc/main.cf <<CF
compatibility_level = 3.6
queue_directory = $mail/queue
data_directory = $mail/data
maillog_file = $mail/log
maillog_file_prefixes = $mail
myhostname = mx.example.com
mydestination =
virtual_mailbox_domains = example.com
virtual_mailbox_base = $mail/box
virtual_mailbox_maps = inline:{ops@example.com=ops, boss@example.com=boss}
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 1
alias_maps =
alias_database =
smtpd_peername_lookup = no
CF
    {
        echo "$MX:25 inet n - n - - smtpd"
        echo 'cleanup unix n - n - 0 cleanup'
        echo 'qmgr unix n - n 300 1 qmgr'
        echo 'postlog unix-dgram n - n - 1 postlogd'
        for name in bounce defer trace; do echo "$name unix - - n - 0 bounce"; done
        for name in error proxymap; do echo "$name unix - - n - - $name"; done
        echo 'virtual unix - n n - - virtual'
        echo 'anvil unix - - n - 1 anvil'
        echo 'retry unix - - n - - error'
        echo 'rewrite unix - - n - - trivial-rewrite'
    } >$mail/etc/master.cf
    /usr/sbin/postfix -c $mail/etc check
}
postfix_start() {
    spawn client setsid /usr/lib/postfix/sbin/master -c $mail/etc -d
    master=$!
}
postfix_signal() { pkill "-$1" -s "$(ps -o sid= -p "$master" | tr -d ' ')"; }
# mails BOX WORDS: how many lines of the mailbox have them.
mails() { cat "$mail/box/$1" 2>/dev/null | grep -cF -- "$2"; }
has_mail() { [ "$(mails "$1" "$2")" -ge 1 ]; }

postfix_setup
postfix_start
web r1
web r2
changes_watch
director_start < <(
    cat <<CF
emailalert="ops@example.com, boss@example.com"
emailalertfrom=director@example.com
emailalertfreq=20
emailalertstatus=running
smtp=$MX
checkinterval=1
checktimeout=2
negotiatetimeout=2
virtual=$VIP:80
    real=$r1:80 gate
    real=$r2:80 gate
    service=http
    request="ldirector.html"
    receive="Test Page"
    servicename=web site
    comment=room 5
    monitorfile=/run/lab/monitor
virtual=$VIP:81
    real=$r3:81 gate
    checktype=ping
    monitorfile=/run/lab/monitor.ping
CF
)
SOON=20 expect_servers "both are in" "$r1:80 Route 1, $r2:80 Route 1" -t $VIP:80
sleep 3
expect "a start is not mailed with emailalertstatus=running" 0 "$(mails ops 'Subject:')"

web_stop r2
subject="Subject: [web site] Deleted real server: $r2:80 ($VIP:80)"
expect_within "a failure is mailed" 20 has_mail ops "$subject"
expect_within "to every recipient" 20 has_mail boss "$subject"
for line in 'From: director@example.com' 'To: ops@example.com, boss@example.com' 'Daemon-Status: running' \
    'Service name: web site' 'Comment: room 5' 'ldirectord host: ' 'Reason: ' 'Date: ' 'Message-ID: '; do
    expect "the mail has $line" 1 "$(mails ops "$line")"
done
expect_within "a reminder comes" 30 has_mail ops "Inaccessible real server: $r2:80 ($VIP:80)"
web r2
expect_within "the return is mailed" 30 has_mail ops "Added real server: $r2:80 ($VIP:80) (Weight set to 1)"
reminders=$(mails ops 'Subject: [web site] Inaccessible')
sleep 22
expect "reminders end with it" "$reminders" "$(mails ops 'Subject: [web site] Inaccessible')"

# The mail server hangs, then is gone.
postfix_signal STOP
began=$(now)
web_stop r1
expect_change "a hanging mail server delays no check" "$began" 4500 $VIP:80 "$r1:80" -
shows_queue() { "$DIRECTORD" status | grep -q '^alerts: [1-9]'; }
expect_within "status shows what waits" 20 shows_queue
postfix_signal KILL
began=$(now)
web r1
expect_change "a dead mail server delays none" "$began" 4500 $VIP:80 "$r1:80" 1
shows_trouble() { "$DIRECTORD" status | grep -q "^ALERTS: $MX fails for"; }
expect_within "status says what is wrong" 90 shows_trouble
postfix_start
expect_within "what waited is mailed when it is back" 90 has_mail ops "Deleted real server: $r1:80 ($VIP:80)"
expect_within "the return too" 90 has_mail ops "Added real server: $r1:80 ($VIP:80) (Weight set to 1)"
nothing_waits() { ! "$DIRECTORD" status | grep -qi '^alerts'; }
expect_within "then nothing waits" 30 nothing_waits

# Monitor files.
line='^\[[A-Z][a-z][a-z] [A-Z][a-z][a-z] [ 0-9][0-9] [0-9:]{8} 20[0-9][0-9]\] \['$director'\]'
id="negotiate http tcp $r2 80 1 gate /ldirector.html Test Page"
grep -qE "$line $id \[up\] HTTP status 200 OK$" /run/lab/monitor &&
    ok "a line for a passed check" || not_ok "a line for a passed check" "$(tail -3 /run/lab/monitor)"
grep -qE "$line $id \[down\] ." /run/lab/monitor &&
    ok "a line for a failed one" || not_ok "a line for a failed one" "$(tail -3 /run/lab/monitor)"
grep -qE "$line ping tcp $r3 81 1 gate /  \[up\] ." /run/lab/monitor.ping &&
    ok "ping has lines" || not_ok "ping has lines" "$(tail -3 /run/lab/monitor.ping)"
mv /run/lab/monitor /run/lab/monitor.1
expect_within "a renamed file is followed by a new one" 10 test -s /run/lab/monitor
rounds=$(wc -l </run/lab/monitor)
sleep 5
expect "one line a check and server" yes \
    "$([ $(($(wc -l </run/lab/monitor) - rounds)) -ge 6 ] && [ $(($(wc -l </run/lab/monitor) - rounds)) -le 14 ] && echo yes || wc -l </run/lab/monitor)"
director_stop
postfix_signal KILL
grep -iE 'fatal|error|warning' $mail/log | tail -20 || true
