#!/bin/sh
# Records the tunnels that Linux itself makes: record-kernel.sh FOLDER [CASE...], as root, in network
# namespaces that are removed afterwards. Needs iproute2, tcpdump, python3; pppd and pppoe-server for
# pppoe; and a kernel with the modules: those of Debian 12 in a virtual machine did
# (6.1.192). What the kernel cannot do is said and left out. FOLDER/kernel-CASE.pcap is recorded below the tunnel.
out=$1; shift
here=$(cd "$(dirname "$0")" && pwd)
: "${MODPROBE:=modprobe -q}"
A=192.0.2.1 B=192.0.2.2 A6=2001:db8::1 B6=2001:db8::2
TA=198.51.100.1 TB=198.51.100.2 TA6=2001:db8:1::1 TB6=2001:db8:1::2

start() {
    ip netns add ss-a; ip netns add ss-b
    ip link add va netns ss-a type veth peer name vb netns ss-b
    for n in a b; do
        ip netns exec ss-$n sysctl -q net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
        ip -n ss-$n link set lo up
        ip -n ss-$n link set v$n up
    done
    ip -n ss-a addr add $A/24 dev va; ip -n ss-b addr add $B/24 dev vb
    ip -n ss-a addr add $A6/64 dev va nodad; ip -n ss-b addr add $B6/64 dev vb nodad
}

stop() { ip netns del ss-a; ip netns del ss-b; sleep 0.2; }

# The two ends of a tunnel device: type and options; %l and %r are the addresses below, %6 and %7 those of IPv6.
device() {
    for n in a b; do
        case $n in
            a) l=$A r=$B l6=$A6 r6=$B6 t=$TA t6=$TA6 o=1 p=2;;
            b) l=$B r=$A l6=$B6 r6=$A6 t=$TB t6=$TB6 o=2 p=1;;
        esac
        options=$(echo "$*" | sed "s/%l/$l/g; s/%r/$r/g; s/%6/$l6/g; s/%7/$r6/g; s/%o/$o/g; s/%p/$p/g; s/%n/v$n/g")
        # shellcheck disable=SC2086
        ip -n ss-$n link add tun type $options || return 1
        ip -n ss-$n link set tun up
        ip -n ss-$n addr add $t/24 dev tun
        ip -n ss-$n addr add $t6/64 dev tun nodad
    done
}

# Asks over IPv4 unless told otherwise, from the addresses of the tunnel unless told otherwise.
talk() {
    src=${1:-$TA} dst=${2:-$TB}
    : > "$out/ready"
    ip netns exec ss-b python3 "$here/talk.py" serve "$dst" > "$out/ready" & server=$!
    ip netns exec ss-a tcpdump -Z root --immediate-mode -q -i va -U -s 0 -w "$out/kernel-$case.pcap" ${filter:-} 2>/dev/null & dump=$!
    for i in $(seq 60); do [ -s "$out/ready" ] && break; sleep 0.5; done
    sleep 1
    ip netns exec ss-a python3 "$here/talk.py" ask "$src" "$dst" || echo "$case: no answer"
    sleep 1
    kill $server $dump 2>/dev/null; wait $server $dump 2>/dev/null
}

c_gre() { device gre local %l remote %r && talk; }
c_gre_key_seq_csum() { device gre local %l remote %r key 4711 seq csum && talk; }
c_gretap_key_seq() { device gretap local %l remote %r key 99 seq && talk; }
c_ip6gre() { device ip6gre local %6 remote %7 && talk; }
c_ip6gretap() { device ip6gretap local %6 remote %7 key 5 && talk $TA6 $TB6; }
c_ipip() { device ipip local %l remote %r && talk; }
c_sit() { device sit local %l remote %r && talk $TA6 $TB6; }
c_ip4ip6() { device ip6tnl mode ipip6 local %6 remote %7 && talk; }
c_ip6ip6() { device ip6tnl mode ip6ip6 local %6 remote %7 encaplimit 3 && talk $TA6 $TB6; }
c_vlan() {
    for n in a b; do ip -n ss-$n link add link v$n name tun type vlan id 7 || return 1; done
    addresses && talk
}
c_qinq() {
    for n in a b; do
        ip -n ss-$n link add link v$n name outer type vlan proto 802.1ad id 100 || return 1
        ip -n ss-$n link set outer up
        ip -n ss-$n link add link outer name tun type vlan proto 802.1Q id 200
    done
    addresses && talk
}
addresses() {
    for n in a b; do ip -n ss-$n link set tun up; done
    ip -n ss-a addr add $TA/24 dev tun; ip -n ss-b addr add $TB/24 dev tun
    ip -n ss-a addr add $TA6/64 dev tun nodad; ip -n ss-b addr add $TB6/64 dev tun nodad
}
c_vxlan6() { device vxlan id 42 local %6 remote %7 dstport 4789 && talk; }
c_vxlan_gbp() { device vxlan id 44 local %l remote %r dstport 4789 gbp && talk; }
c_geneve() { device geneve id 77 remote %r && talk; }
c_geneve6() { device geneve id 78 remote %7 && talk $TA6 $TB6; }
c_erspan2() { device erspan seq key 30 local %l remote %r erspan_ver 1 erspan 123 && talk; }
c_erspan3() { device erspan seq key 31 local %l remote %r erspan_ver 2 erspan_dir egress erspan_hwid 17 && talk; }
c_ip6erspan2() { device ip6erspan seq key 32 local %6 remote %7 erspan_ver 1 erspan 9 && talk; }
c_mpls() {
    for n in a b; do
        ip -n ss-$n link set lo up
        ip netns exec ss-$n sysctl -q net.mpls.platform_labels=1000 net.mpls.conf.v$n.input=1 net.mpls.conf.lo.input=1 || return 1
    done
    ip -n ss-a addr add $TA/32 dev lo; ip -n ss-b addr add $TB/32 dev lo
    ip -n ss-a route add $TB/32 encap mpls 100/200 via inet $B dev va src $TA || return 1
    ip -n ss-b route add $TA/32 encap mpls 300 via inet $A dev vb src $TB
    ip -n ss-b -f mpls route add 100 dev lo; ip -n ss-b -f mpls route add 200 dev lo; ip -n ss-a -f mpls route add 300 dev lo
    talk
}
c_mpls_gre() {
    device gre local %l remote %r || return 1
    for n in a b; do ip netns exec ss-$n sysctl -q net.mpls.platform_labels=1000 net.mpls.conf.tun.input=1 || return 1; done
    ip -n ss-a addr add 203.0.113.1/32 dev lo; ip -n ss-b addr add 203.0.113.2/32 dev lo
    ip -n ss-a route add 203.0.113.2/32 encap mpls 100 dev tun src 203.0.113.1 || return 1
    ip -n ss-b route add 203.0.113.1/32 encap mpls 300 dev tun src 203.0.113.2
    ip -n ss-b -f mpls route add 100 dev lo; ip -n ss-a -f mpls route add 300 dev lo
    talk 203.0.113.1 203.0.113.2
}
l2tp() { # encap, cookies and more
    encap=$1; shift
    for n in a b; do
        case $n in a) l=$A r=$B o=1 p=2;; b) l=$B r=$A o=2 p=1;; esac
        ip -n ss-$n l2tp add tunnel tunnel_id 1$o peer_tunnel_id 1$p encap $encap local $l remote $r \
            $([ $encap = udp ] && echo udp_sport 1701 udp_dport 1701) || return 1
        # shellcheck disable=SC2048
        ip -n ss-$n l2tp add session name tun tunnel_id 1$o session_id 500$o peer_session_id 500$p $* || return 1
    done
    addresses && talk
}
c_l2tp3_ip() { l2tp ip; }
c_l2tp3_udp() { l2tp udp; }
c_l2tp3_ip_cookie8() { l2tp ip cookie 8f119a03c077ee10 peer_cookie 8f119a03c077ee10; }
c_l2tp3_udp_bare() { l2tp udp cookie 01020304 peer_cookie 01020304 l2spec_type none; }
xfrm() { # mode, port options, algorithms; between $A and $B
    mode=$1; shift
    for n in a b; do
        for pair in "$A $B 0x1001" "$B $A 0x1002"; do
            # shellcheck disable=SC2086
            set -- "$@"; src=${pair%% *}; rest=${pair#* }; dst=${rest% *}; spi=${rest#* }
            ip -n ss-$n xfrm state add src $src dst $dst proto esp spi $spi reqid 1 mode $mode "$@" || return 1
        done
    done
}
policies() { # from, to
    for n in a b; do
        for pair in "$1 $2 $A $B" "$2 $1 $B $A"; do
            # shellcheck disable=SC2086
            set -- $1 $2 $pair
            case "$n$5" in a$A|b$B) dir=out;; *) dir=in;; esac
            tmpl="tmpl proto esp reqid 1 mode $mode"
            [ $mode = tunnel ] && tmpl="tmpl src $5 dst $6 proto esp reqid 1 mode tunnel"
            # shellcheck disable=SC2086
            ip -n ss-$n xfrm policy add src $3 dst $4 dir $dir $tmpl
        done
    done
}
SHA1="0x000102030405060708090a0b0c0d0e0f10111213"
SHA256="0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
c_esp_null_sha1() { xfrm transport enc "ecb(cipher_null)" "" auth "hmac(sha1)" $SHA1 && policies $A $B && talk $A $B; }
c_esp_null_sha256() { xfrm transport enc "ecb(cipher_null)" "" auth-trunc "hmac(sha256)" $SHA256 128 && policies $A $B && talk $A $B; }
c_esp_null_tunnel() {
    ip -n ss-a addr add $TA/32 dev lo; ip -n ss-b addr add $TB/32 dev lo
    ip -n ss-a route add $TB/32 via $B src $TA; ip -n ss-b route add $TA/32 via $A src $TB
    xfrm tunnel enc "ecb(cipher_null)" "" auth "hmac(md5)" 0x000102030405060708090a0b0c0d0e0f && policies $TA $TB && filter=esp talk
}
c_esp_null_udp4500() {
    encap=
    for n in a b; do
        ip netns exec ss-$n python3 -c "
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', 4500)); s.setsockopt(17, 100, 2); time.sleep(90)" & encap="$encap $!"
    done
    sleep 5
    xfrm transport enc "ecb(cipher_null)" "" auth "hmac(sha1)" $SHA1 encap espinudp 4500 4500 0.0.0.0 && policies $A $B && talk $A $B
    kill $encap
}
c_ah() {
    for n in a b; do
        for pair in "$A $B 0x2001" "$B $A 0x2002"; do
            # shellcheck disable=SC2086
            set -- $pair
            ip -n ss-$n xfrm state add src $1 dst $2 proto ah spi $3 reqid 1 mode transport auth "hmac(sha1)" $SHA1 || return 1
            case "$n$1" in a$A|b$B) dir=out;; *) dir=in;; esac
            ip -n ss-$n xfrm policy add src $1 dst $2 dir $dir tmpl proto ah reqid 1 mode transport
        done
    done
    talk $A $B
}
c_seg6() {
    for n in a b; do ip netns exec ss-$n sysctl -q net.ipv6.conf.all.seg6_enabled=1 net.ipv6.conf.v$n.seg6_enabled=1 net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.v$n.rp_filter=0; done
    ip -n ss-a addr add $TA/32 dev lo; ip -n ss-b addr add $TB/32 dev lo
    ip -n ss-a -6 route add 2001:db8:f::2 via $B6; ip -n ss-b -6 route add 2001:db8:f::1 via $A6
    ip -n ss-a route add $TB/32 encap seg6 mode encap segs 2001:db8:f::2 dev va src $TA || return 1
    ip -n ss-b route add $TA/32 encap seg6 mode encap segs 2001:db8:f::1 dev vb src $TB
    ip -n ss-b -6 route add 2001:db8:f::2 encap seg6local action End.DX4 nh4 $TB dev vb || return 1
    ip -n ss-a -6 route add 2001:db8:f::1 encap seg6local action End.DX4 nh4 $TA dev va
    talk
}
c_pppoe() {
    command -v pppoe-server >/dev/null || return 1
    mkdir -p /run/ppp /run/lock /run/pppoe
    echo "noauth" > /run/pppoe/server; echo "lcp-echo-interval 0" >> /run/pppoe/server
    ip netns exec ss-b pppoe-server -I vb -L $TB -R $TA -O /run/pppoe/server -q /usr/sbin/pppd -Q /usr/sbin/pppoe -F & pppoe=$!
    sleep 1
    ip netns exec ss-a pppd plugin rp-pppoe.so nic-va noauth nodetach nodefaultroute noipdefault noccp novj > /run/pppoe/log 2>&1 & ppp=$!
    sleep 6
    ip -n ss-a addr | grep -q "$TA" || { echo "pppoe did not come up"; cat /run/pppoe/log; kill $pppoe $ppp; return 1; }
    talk
    kill $ppp $pppoe; sleep 1; killall_ppp
}
killall_ppp() { for p in $(ip netns pids ss-a) $(ip netns pids ss-b); do kill "$p" 2>/dev/null; done; }

CASES="gre gre_key_seq_csum gretap_key_seq ip6gre ip6gretap ipip sit ip4ip6 ip6ip6 vlan qinq vxlan6 vxlan_gbp
 geneve geneve6 erspan2 erspan3 ip6erspan2 mpls mpls_gre l2tp3_ip l2tp3_udp l2tp3_ip_cookie8 l2tp3_udp_bare
 esp_null_sha1 esp_null_sha256 esp_null_tunnel esp_null_udp4500 ah seg6 pppoe"
for m in ip_gre ip6_gre ipip sit ip6_tunnel 8021q vxlan geneve mpls_router mpls_iptunnel mpls_gso l2tp_netlink l2tp_eth l2tp_ip \
    esp4 ah4 xfrm_user authenc hmac md5 sha1_generic sha256_generic crypto_null echainiv seqiv gcm ghash_generic ctr aes_generic cbc ecb \
    pppoe ppp_generic ppp_async; do
    $MODPROBE $m || echo "no module $m"
done
for name in ${*:-$CASES}; do
    case=$(echo "$name" | tr _ -)
    start
    "c_$name" || { echo "$case: not possible here"; rm -f "$out/kernel-$case.pcap"; }
    stop
done
rm -f "$out/ready"
