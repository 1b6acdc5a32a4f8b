# Every kind of check, each in a service of its own: what the servers see of it, what its
# verdict is, and that the kernel's table follows.
source "${0%/*}/director"

# A web server of more than one kind on r1 and r2.
site_pages() {
    local host=$1 dir=/run/lab/web/$1
    mkdir -p "$dir/root"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
        -subj "/CN=$host" -keyout "$dir/key" -out "$dir/cert" 2>/dev/null
    echo "Test Page" >"$dir/root/ldirector.html"
    echo "I am $host" >"$dir/root/own.html"
    cat >"$dir/conf" <<NGINX
pid $dir/pid; error_log $dir/errors; worker_processes 1;
events { }
http {
  log_format seen '\$server_port \$request_method \$request_uri \$server_protocol \$http_host \$http_connection \$ssl_server_name|\$request';
  access_log $dir/access seen; root $dir/root;
  ssl_certificate $dir/cert; ssl_certificate_key $dir/key;
  client_body_temp_path $dir/1; proxy_temp_path $dir/2; fastcgi_temp_path $dir/3;
  uwsgi_temp_path $dir/4; scgi_temp_path $dir/5;
  server { listen 80; listen [::]:80; listen 8003; listen 443 ssl; }
  server { listen 80; listen 443 ssl; server_name www.example.com; location / { return 200 "example"; } }
  server { listen 8081; location / { return 503; } }
}
NGINX
    in_ "$host" nginx -c "$dir/conf" -g 'daemon on;' 2>>"$dir/errors" || cat "$dir/errors"
}
for host in r1 r2; do site_pages $host; done
hostile r1 7000=pong 7010=refuse
combined=$hostile_pid
none=192.0.2.77 none6=2001:db8::77
in_ r1 iptables-legacy -A INPUT -p tcp --dport 8018

script() { # script NAME: a program of standard input
    { echo '#!/bin/sh' && cat; } >"/run/lab/$1"
    chmod +x "/run/lab/$1"
}
script status-of-server <<SCRIPT
echo "\$#: \$*" >>/run/lab/external.log
[ "\$3" = $r1 ]
SCRIPT
script killed <<'SCRIPT'
kill -SEGV $$
SCRIPT
cat >/run/lab/server.pl <<PERL
open(my \$log, '>>', '/run/lab/perl.log'); print \$log "@ARGV\n"; close(\$log);
exit(\$ARGV[2] eq '$r1' ? 0 : 3);
PERL

director_start <<CONFIG
checktimeout=3
negotiatetimeout=3
checkinterval=1
fallback=127.0.0.1 gate

virtual=$VIP:8001
    real=$r1:80 masq
    real=$r2:81 masq
    checktype=connect
virtual=$VIP:8002
    real=$r1:80 masq
    real=$r2:8081 masq
    service=http
    request="ldirector.html"
    receive="Test\s+Page$"
virtual=$VIP:8003
    real=$r1:8003 masq
    service=http
    httpmethod=HEAD
    request="own.html?head"
virtual=$VIP:8004
    real=$r1:80 masq
    service=http
    virtualhost=www.example.com
    receive="^example$"
virtual=$VIP:8005
    real=$r1:80 masq 1 "own.html", "I am r1"
    real=$r2:80 masq 2 "own.html", "I am r1"
    service=http
    receive="never used"
virtual=$VIP:8006
    real=$r1:7 masq
    real=$r2:7 masq
    service=http
    checkport=80
    request="own.html"
    receive="r1"
virtual=$VIP:8007
    real=$r1:443 masq
    real=$r2:80 masq
    service=https
    virtualhost="www.example.com"
    receive="example"
virtual=$VIP:8008
    real=$r1:80 masq
    real=$r2:8081 masq
    service=http_proxy
    request="http://www.example.com/proxied"
    receive="example"
virtual=$VIP:8009
    real=$r1:7000 masq
    real=$r2:7000 masq
    service=simpletcp
    request="one\ntwo"
    receive="^PONG"
virtual=$VIP:8010
    real=$r1:7010 masq
    service=http
    checktype=3
    request="combined"
    receive="Test Page"
virtual=$VIP:8011
    real=$r1:80 masq
    real=$none:80 masq
    checktype=ping
    checkcount=3
virtual6=[$VIP6]:8012
    real6=[${ADDRESS6[r1]}]:80 masq
    real6=[$none6]:80 masq
    checktype=ping
virtual=$VIP:8013
    real=$r1:80 masq
    real=$r2:80 masq
    checkinterval=3
    checktype=external
    checkcommand=/run/lab/status-of-server
virtual=$VIP:8014
    real=$r1:80 masq
    real=$r2:80 masq
    checkinterval=3
    checktype=external-perl
    checkcommand="/run/lab/server.pl"
virtual=$VIP:8015
    real=$r1:9 masq
    checktype=on
virtual=$VIP:8016
    real=$r1:80 masq
    checktype=off
virtual=$VIP:8017
    real=$r1:9 masq
virtual=$VIP:8018
    real=$r1:8018 masq
    real=$none:8018 masq
    protocol=udp
    ops=yes
    scheduler=rr
    checktype=connect
virtual=$VIP:8019
    real=$r1:80 masq
    checkinterval=3
    checktype=external
    checkcommand=/run/lab/killed
virtual6=[$VIP6]:8020
    real6=[${ADDRESS6[r1]}]:80 masq
    real6=[${ADDRESS6[r2]}]:81 masq
    service=http
    request="ldirector.html"
    receive="Test Page"
virtual=7
    real=$r1 gate
    real=$r2 gate
    checkinterval=3
    checktype=external
    checkcommand=/run/lab/status-of-server
    scheduler=rr
CONFIG

expect_servers "connect" "$r1:80 Masq 1" -t $VIP:8001
expect_servers "http, expected text" "$r1:80 Masq 1" -t $VIP:8002
expect_servers "http, HEAD" "$r1:8003 Masq 1" -t $VIP:8003
expect_servers "http, virtualhost" "$r1:80 Masq 1" -t $VIP:8004
expect_servers "http, request of the server" "$r1:80 Masq 1" -t $VIP:8005
expect_servers "http, checkport" "$r1:7 Masq 1" -t $VIP:8006
expect_servers "https, self-signed" "$r1:443 Masq 1" -t $VIP:8007
expect_servers "http_proxy" "$r1:80 Masq 1" -t $VIP:8008
expect_servers "simpletcp" "$r1:7000 Masq 1" -t $VIP:8009
expect_servers "ping" "$r1:80 Masq 1" -t $VIP:8011
expect_servers "ping, IPv6" "[${ADDRESS6[r1]}]:80 Masq 1" -t [$VIP6]:8012
expect_servers "external" "$r1:80 Masq 1" -t $VIP:8013
expect_servers "external-perl" "$r1:80 Masq 1" -t $VIP:8014
expect_servers "on" "$r1:9 Masq 1" -t $VIP:8015
expect_servers "off" "127.0.0.1:8016 Route 1" -t $VIP:8016
expect_servers "no service, no check" "$r1:9 Masq 1" -t $VIP:8017
expect_servers "udp, connect is a ping" "$r1:8018 Masq 1" -u $VIP:8018
expect_servers "external, killed by a signal" "127.0.0.1:8019 Route 1" -t $VIP:8019
expect_servers "http, IPv6" "[${ADDRESS6[r1]}]:80 Masq 1" -t [$VIP6]:8020
expect_servers "mark" "$r1:0 Route 1" -f 7
expect "udp, no connection request" "0 packets" \
    "$(in_ r1 iptables-legacy -nvxL INPUT | awk '/dpt:8018/ { print $1 }') packets"

# What the servers saw.
web_saw() { grep -qxF -- "$1" /run/lab/web/r1/access && echo yes || echo no; }
expect "HEAD as it was sent" yes "$(web_saw "8003 HEAD /own.html?head HTTP/1.1 $r1 close -|HEAD /own.html?head HTTP/1.1")"
expect "the name in TLS" yes "$(web_saw "443 GET / HTTP/1.1 www.example.com close www.example.com|GET / HTTP/1.1")"
expect "the proxy's request" yes "$(web_saw "80 GET /proxied HTTP/1.1 www.example.com close -|GET http://www.example.com/proxied HTTP/1.1")"
sort /run/lab/web/r1/access | uniq -c
expect "external, its arguments" "4: $VIP 8013 $r1 80,4: $VIP 8013 $r2 80" \
    "$(grep 8013 /run/lab/external.log | sort -u | paste -sd,)"
expect "external, the mark's arguments" "4: 7 0 $r1 0,4: 7 0 $r2 0" \
    "$(grep ' 7 ' /run/lab/external.log | sort -u | paste -sd,)"
expect "external-perl, its arguments" "$VIP 8014 $r1 80,$VIP 8014 $r2 80" "$(sort -u /run/lab/perl.log | paste -sd,)"
expect "the reason: signal" "killed by signal 11 (SIGSEGV)" "$(reason tcp:$VIP:8019 "$r1:80")"
expect "the reason: status" "exit status 3" "$(reason tcp:$VIP:8014 "$r2:80")"
wait_until 10 eval '[ "$(reason tcp:$VIP:8011 "$none:80")" != None ]'
expect "the reason: ping" "no echo reply to 3 requests within 9 s" "$(reason tcp:$VIP:8011 "$none:80")"

# One request, three connections, one request; after a failure a request.
rounds() { awk '$2 == 7010 { printf "%s", $3 == "-" ? "c" : "R" }' /run/lab/hostile.r1; }
wait_until 10 eval '[ "$(rounds | wc -c)" -ge 9 ]'
case $(rounds) in
RcccRcccR*) ok "combined: $(rounds)" ;;
*) not_ok combined "$(rounds)" ;;
esac
kill -USR1 "$combined"
expect_servers "combined, out" "127.0.0.1:8010 Route 1" -t $VIP:8010
before=$(rounds | wc -c)
kill -USR2 "$combined"
expect_servers "combined, in" "$r1:7010 Masq 1" -t $VIP:8010
expect "combined: after a failure a request" R "$(rounds | cut -c$((before + 1)))"
director_stop
expect "nothing is left" "" "$(in_ d1 ipvsadm -Sn)"
