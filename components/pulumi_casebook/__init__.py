"""Components of published reference architectures, for Pulumi programs on OVHcloud and any OpenStack."""

from pulumi_casebook.backups.archive import Archive
from pulumi_casebook.backups.backup import Backup, BackupBucket, BackupServer, RetentionArgs
from pulumi_casebook.core.args import InputError
from pulumi_casebook.core.plan import AddressPlan
from pulumi_casebook.core.ssh import SshKey, ssh_key
from pulumi_casebook.data.galera_cluster import GaleraCluster
from pulumi_casebook.data.memcached import Memcached
from pulumi_casebook.data.mysql_pair import MysqlPair
from pulumi_casebook.data.nas import Nas
from pulumi_casebook.data.object_storage import BucketArgs, ObjectStorage
from pulumi_casebook.data.search_pair import SearchPair
from pulumi_casebook.data.swift_storage import ContainerArgs, SwiftStorage
from pulumi_casebook.edge.failover_ip import FailoverIp
from pulumi_casebook.edge.floating_ips import FloatingIps
from pulumi_casebook.edge.gateway import Forward, Gateway, Vpn
from pulumi_casebook.edge.haproxy_tier import Backend, Frontend, HaproxyTier, Route, Timeouts
from pulumi_casebook.edge.load_balancer_ip import FarmServer, Listener, LoadBalancerIp, Probe, balancer_cidrs
from pulumi_casebook.edge.resolver import Resolver
from pulumi_casebook.machines.configuration import Allow, Configuration, Directory, File, Ready, Repository, Unit
from pulumi_casebook.machines.machine import DedicatedServer, Instance, InstanceGroup, Machine, Vps
from pulumi_casebook.machines.site import (
    Exporter,
    HealthCheck,
    Monitored,
    NameServers,
    Service,
    Site,
    Tier,
    WayOut,
    exposure,
)
from pulumi_casebook.network.cdn import Cdn
from pulumi_casebook.network.certificate import Certificate
from pulumi_casebook.network.dns_round_robin import DnsRoundRobin
from pulumi_casebook.network.vrack_network import VrackNetwork
from pulumi_casebook.network.web_hosting import WebHosting
from pulumi_casebook.recovery.drp_replica_site import DrpReplicaSite, DrpSite, SharedFiles, StandbyUnits
from pulumi_casebook.watching.autoscaler import Autoscaler
from pulumi_casebook.watching.logs import Logs
from pulumi_casebook.watching.monitoring import (
    MailArgs,
    Monitoring,
    NightArgs,
    SmsArgs,
    ThresholdsArgs,
)
from pulumi_casebook.watching.watchdog import Watchdog
from pulumi_casebook.web.back_office import BackOffice
from pulumi_casebook.web.nginx_tier import Images, NginxTier, PageCache, RequestFilter
from pulumi_casebook.web.php_tier import PhpTier
from pulumi_casebook.web.tomcat_tier import TomcatTier
from pulumi_casebook.web.upload_tier import UploadTier
from pulumi_casebook.web.web_tier import WebTier

__all__ = [
    "AddressPlan",
    "Allow",
    "Archive",
    "Autoscaler",
    "BackOffice",
    "Backend",
    "Backup",
    "BackupBucket",
    "BackupServer",
    "BucketArgs",
    "Cdn",
    "Certificate",
    "Configuration",
    "ContainerArgs",
    "DedicatedServer",
    "Directory",
    "DnsRoundRobin",
    "DrpReplicaSite",
    "DrpSite",
    "Exporter",
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
    "MailArgs",
    "Memcached",
    "Monitored",
    "Monitoring",
    "MysqlPair",
    "NameServers",
    "Nas",
    "NginxTier",
    "NightArgs",
    "ObjectStorage",
    "PageCache",
    "PhpTier",
    "Probe",
    "Ready",
    "Repository",
    "RequestFilter",
    "Resolver",
    "RetentionArgs",
    "Route",
    "SearchPair",
    "Service",
    "SharedFiles",
    "Site",
    "SmsArgs",
    "SshKey",
    "StandbyUnits",
    "SwiftStorage",
    "ThresholdsArgs",
    "Tier",
    "Timeouts",
    "TomcatTier",
    "Unit",
    "UploadTier",
    "Vpn",
    "Vps",
    "VrackNetwork",
    "Watchdog",
    "WayOut",
    "WebHosting",
    "WebTier",
    "balancer_cidrs",
    "exposure",
    "ssh_key",
]
