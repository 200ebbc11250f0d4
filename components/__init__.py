"""Components of published reference architectures, for Pulumi programs on OVHcloud and any OpenStack."""

if __name__ != "casebook":
    raise ImportError(f"imported as {__name__!r}: this folder is the package casebook (pip install -e .)")

from casebook.archive import Archive
from casebook.args import InputError
from casebook.autoscaler import Autoscaler
from casebook.back_office import BackOffice
from casebook.backup import Backup, BackupServer, BucketRepository
from casebook.cdn import Cdn
from casebook.certificate import Certificate
from casebook.configuration import Allow, Configuration, Directory, File, Ready, Repository, Service
from casebook.dns_round_robin import DnsRoundRobin
from casebook.drp_replica_site import DrpReplicaSite, Resting, SharedFiles, Site
from casebook.failover_ip import FailoverIp
from casebook.floating_ips import FloatingIps
from casebook.galera_cluster import GaleraCluster
from casebook.gateway import Forward, Gateway, Vpn
from casebook.haproxy_tier import Backend, Frontend, HaproxyTier, HealthCheck, Route, Timeouts
from casebook.load_balancer_ip import FarmServer, Listener, LoadBalancerIp, Probe, balancer_cidrs
from casebook.logs import Logs
from casebook.machine import DedicatedServer, Instance, InstanceGroup, Machine, Vps, dedicated_servers
from casebook.memcached import Memcached
from casebook.monitoring import Monitoring, exporter_access
from casebook.mysql_pair import MysqlPair
from casebook.nas import Nas
from casebook.nginx_tier import Images, NginxTier, PageCache, RequestFilter
from casebook.object_storage import ObjectStorage
from casebook.php_tier import PhpTier
from casebook.plan import AddressPlan
from casebook.resolver import Resolver
from casebook.search_pair import SearchPair
from casebook.ssh import SshKey, ssh_key
from casebook.swift_storage import SwiftStorage
from casebook.tomcat_tier import TomcatTier
from casebook.upload_tier import UploadTier
from casebook.vrack_network import VrackNetwork
from casebook.watchdog import Watchdog
from casebook.web_hosting import WebHosting
from casebook.web_tier import WebTier

__all__ = [
    "AddressPlan",
    "Allow",
    "Archive",
    "Autoscaler",
    "BackOffice",
    "Backend",
    "Backup",
    "BackupServer",
    "BucketRepository",
    "Cdn",
    "Certificate",
    "Configuration",
    "DedicatedServer",
    "Directory",
    "DnsRoundRobin",
    "DrpReplicaSite",
    "FailoverIp",
    "FarmServer",
    "File",
    "FloatingIps",
    "Forward",
    "Frontend",
    "GaleraCluster",
    "Gateway",
    "HaproxyTier",
    "HealthCheck",
    "Images",
    "InputError",
    "Instance",
    "InstanceGroup",
    "Listener",
    "LoadBalancerIp",
    "Logs",
    "Machine",
    "Memcached",
    "Monitoring",
    "MysqlPair",
    "Nas",
    "NginxTier",
    "ObjectStorage",
    "PageCache",
    "PhpTier",
    "Probe",
    "Ready",
    "Repository",
    "RequestFilter",
    "Resolver",
    "Resting",
    "Route",
    "SearchPair",
    "Service",
    "SharedFiles",
    "Site",
    "SshKey",
    "SwiftStorage",
    "Timeouts",
    "TomcatTier",
    "UploadTier",
    "Vpn",
    "Vps",
    "VrackNetwork",
    "Watchdog",
    "WebHosting",
    "WebTier",
    "balancer_cidrs",
    "dedicated_servers",
    "exporter_access",
    "ssh_key",
]
