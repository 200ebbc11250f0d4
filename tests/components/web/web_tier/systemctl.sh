#!/bin/sh
# Plays systemd in a box: units are what they run, "active" is a file.
set -eu
verb=$1
shift
for unit; do case $unit in -*) ;; *) break ;; esac; done
mark=/run/active-${unit:-none}

field() { sed -n "s/^$1=//p" "/etc/systemd/system/$2"; }

# What a unit runs, as its user: what comes before it, with a +, is root's.
command() {
    sed -n 's/^ExecStartPre=+//p' "/etc/systemd/system/$1"
    user=$(field User "$1")
    echo "${user:+setpriv --reuid=$user --regid=$user --groups=$(field SupplementaryGroups "$1"),$user }$(field ExecStart "$1")"
}

# Runs a program again and again, as a timer or a path unit does.
repeat() { setsid sh -c "while :; do $1
sleep $2; done" >>/run/journal 2>&1 </dev/null & }

case $verb:${unit:-none} in
is-active:*) test -e "$mark" ;;
start:nginx.service) nginx && touch "$mark" ;;
reload:nginx.service) nginx -s reload ;;
start:haproxy.service) mkdir -p /run/haproxy && haproxy -W -D -f /etc/haproxy/haproxy.cfg -p /run/haproxy.pid >>/run/journal 2>&1 && touch "$mark" ;;
reload:haproxy.service) haproxy -c -q -f /etc/haproxy/haproxy.cfg && kill -USR2 "$(cat /run/haproxy.pid)" ;;
start:php*-fpm.service) mkdir -p /run/php && "php-fpm$(expr "$unit" : 'php\(.*\)-fpm')" --daemonize 2>>/run/journal && touch "$mark" ;;
reload:php*-fpm.service) kill -USR2 "$(cat "/run/php/${unit%.service}.pid")" ;;
start:apache2.service) apache2ctl start >>/run/journal 2>&1 && touch "$mark" ;;
reload:apache2.service) apache2ctl graceful ;;
start:memcached.service) setsid /usr/share/memcached/scripts/systemd-memcached-wrapper >>/run/journal 2>&1 </dev/null & touch "$mark" ;;
start:tomcat10.service)
    export CATALINA_HOME=/usr/share/tomcat10 CATALINA_BASE=/var/lib/tomcat10 CATALINA_TMPDIR=/tmp
    rm -rf /run/tomcat10 && install -d -o tomcat /run/tomcat10 /var/cache/tomcat10 && /usr/libexec/tomcat10/tomcat-update-policy.sh
    (
        set -a && . /etc/tomcat10/environment
        exec setsid setpriv --reuid=tomcat --regid=tomcat --clear-groups sh /usr/libexec/tomcat10/tomcat-start.sh
    ) >>/run/journal 2>&1 </dev/null &
    echo $! >"$mark"
    ;;
restart:tomcat10.service)
    sh -c "$(sed -n "s/^ExecStop=.bin.sh -c '\(.*\)'/\1/p" /etc/systemd/system/tomcat10.service.d/casebook.conf)"
    kill "$(cat "$mark")"
    # The box's first process buries nobody.
    while grep -qs '^State:.[^ZX]' "/proc/$(cat "$mark")/status"; do sleep 0.1; done
    exec "$0" start tomcat10.service
    ;;
start:*-application.service | restart:*-application.service) $(field ExecStart "$unit") && touch "$mark" ;;
start:keepalived.service)
    "$(sed -n 's/^ExecStartPre=//p' /etc/systemd/system/keepalived.service.d/casebook.conf)"
    setsid keepalived --dont-fork --log-console >>/run/journal 2>&1 </dev/null &
    touch "$mark"
    ;;
start:rsync.service) rsync --daemon && touch "$mark" ;;
start:nftables.service | reload:nftables.service) nft -f /etc/nftables.conf && touch "$mark" ;;
start:*.timer) repeat "$(command "${unit%.timer}.service")" "$(field OnUnitInactiveSec "$unit")" && touch "$mark" ;;
start:*.path) repeat "test ! -e $(field PathExists "$unit") || $(field ExecStart "${unit%.path}.service")" 0.2 && touch "$mark" ;;
start:rsync-tls.service) setsid sh -c "$(field ExecStart "$unit" | sed s,%d,/etc/rsync-tls,g)" >>/run/journal 2>&1 </dev/null & touch "$mark" ;;
start:systemd-sysusers.service | restart:systemd-sysusers.service) systemd-sysusers && touch "$mark" ;;
start:publish-first.service) $(field ExecStart "$unit") && touch "$mark" ;;
start:ssh.service) touch "$mark" ;;
enable:* | disable:* | reset-failed:* | daemon-reload:*) ;;
*) echo "systemctl $verb $unit: not played here" >&2; exit 1 ;;
esac
