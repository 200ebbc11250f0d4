"""What physics or a daemon sets a limit to, in the words that stand beside the figures; each with its source."""

from drills.outage import Bears

CONNECTS = (
    "a visitor's connection to a server that is off is given up after 5 s and tried again on another; the balancer "
    "then asks the server every second, and takes it out at the second failure (LoadBalancerIp)"
)
HANGS = (
    "a server that hangs still takes connections; OVHcloud probes no more often than every 30 s, a probe has as long "
    "for its answer, and the second failure counts: 91 s, and 5 s until the last visitor gives up (api.ovh.com, "
    "/ipLoadbalancing/{serviceName}/tcp/farm: probe.interval)"
)
STARTED_AGAIN = "systemd starts a daemon that died again after a second"
DATABASE_STARTED_AGAIN = (
    "systemd starts MariaDB again after 5 s (mariadb.service of Debian), and it recovers; its keeper looks every 3 s "
    "before it lets anybody write (MysqlPair)"
)
SKIPPED = (
    "HAProxy finds a server dead after 2.8 s and sends what it could not connect to another at once; a request that "
    "had reached the server, or hangs in its queue, is given up by the visitor after 5 s (HaproxyTier)"
)
VRRP = (
    "three advertisements of VRRP, one a second, have to be missed: 3.4 s; a visitor whose request hangs gives up "
    "after 5 s (HaproxyTier)"
)
NOT_THERE_YET = (
    "the sites follow each other asynchronously: what the first acknowledged within its last second can be missing "
    "(DrpReplicaSite); visitors follow the name within its 60 s"
)
ROOM_AGAIN = (
    "MariaDB that cannot write its binary log looks every 60 s whether there is room again (its error log: expect up "
    "to 60 secs delay)"
)

# How a server behind the load balancer is lost, and what that may cost.
BEHIND_THE_BALANCER = {
    "loses power": Bears(30, 15, CONNECTS),
    "freezes": Bears(100, 96, HANGS),
    "is cut off": Bears(30, 15, CONNECTS),
}
