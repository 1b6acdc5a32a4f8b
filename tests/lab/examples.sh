# Every example is run as it is: its services come up, `plan` then sees nothing left to
# do, a stop leaves nothing.
source "${0%/*}/director"

EXAMPLES=$HERE/../../ldirectord.cf.examples
for host in r1 r2 r3; do
    web $host 80 8080 8081 443
    mkdir -p /run/lab/web/$host/root/{blue,green}
    for page in health blue/health green/health; do echo OK >/run/lab/web/$host/root/$page; done
    sed -i '1i real server' /run/lab/web/$host/root/index.html
done
# The directories of other programs that examples name.
mkdir -p /run/lab/etc/maintenance
mount -t tmpfs etc /etc/ha.d 2>/dev/null && mkdir -p /etc/ha.d/maintenance

for file in "$EXAMPLES"/*.cf; do
    name=$(basename "$file" .cf)
    director_start <"$file"
    wanted=$(grep -cE '^virtual6?=' "$file")
    table() { in_ d1 ipvsadm -Sn | grep -c '^-A'; }
    is_there() { [ "$(table)" = "$wanted" ]; }
    wait_until 5 is_there
    expect "$name: services" "$wanted" "$(table)"
    in_ d1 "$DIRECTORD" plan "$file" 2>&1 | tee /run/lab/plan
    expect "$name: plan" "0 changes" "$(tail -n1 /run/lab/plan)"
    director_stop
    expect "$name: stopped" "0 with 0 lines left" "$? with $(in_ d1 ipvsadm -Sn | wc -l) lines left"
done
