"""The services' configuration files, as text.

They hold the service password, so the directory is readable by root only.
"""

import pathlib

import yaml

from sandbox import BALANCERS, DATA, ETC, LOG, REPOSITORY, RUN
from sandbox.openstack.secrets import Secrets

# Compute and object storage regions, named as OVHcloud names them; one control plane serves them all.
COMPUTE_REGIONS = ("GRA11", "RBX-A", "SBG5", "BHS5")
STORAGE_REGIONS = ("GRA", "RBX", "SBG", "BHS")
REGIONS = COMPUTE_REGIONS + STORAGE_REGIONS
HOME_REGION = "GRA11"  # where the services look for each other

# As many hosts as an anti-affinity group may have members.
COMPUTE_HOSTS = tuple(f"host{number}" for number in range(1, 17))

PORTS = {
    "keystone": 25000,
    "glance": 29292,
    "placement": 28778,
    "nova": 28774,
    "neutron": 29696,
    "cinder": 28776,
    "octavia": 29876,
    "swift-account": 26202,
    "swift-container": 26201,
    "swift-object": 26200,
    "octavia-health": 25555,
}
# Swift's front, once per region: a signature is made for one region.  The first also serves Swift's own API.
S3_PORTS = {region.lower(): 28080 + number for number, region in enumerate(STORAGE_REGIONS)}
URL = {name: f"http://127.0.0.1:{port}" for name, port in PORTS.items()}
SWIFT_URL = f"http://127.0.0.1:{S3_PORTS['gra']}"
AUTH_URL = f"{URL['keystone']}/v3"
DATABASE_SOCKET = RUN / "mariadb.sock"
DATABASES = ("keystone", "glance", "placement", "nova_api", "nova_cell0", "nova", "neutron", "cinder", "octavia")
RINGS = DATA / "rings"  # Swift's
RPC = "fake://"  # a service and its workers are one process
ACCOUNT = REPOSITORY / "sandbox" / "account.yaml"

NO_NOTIFICATIONS = """
[oslo_messaging_notifications]
driver = noop
"""


def s3_name(region: str) -> str:
    """OVHcloud's name of a region's S3 endpoint."""
    return f"s3.{region}.io.cloud.ovh.net"


def swift_name(region: str) -> str:
    """OVHcloud's name of a region's Swift endpoint."""
    return f"storage.{region}.cloud.ovh.net"


def vracks() -> list[str]:
    """The vRacks of the customer's account in every region: Neutron's physical networks (keys.py)."""
    if not ACCOUNT.exists():
        return []
    names = sorted((yaml.safe_load(ACCOUNT.read_text()) or {}).get("vracks") or {})
    return [f"{name}@{region}" for name in names for region in COMPUTE_REGIONS]


def write(secrets: Secrets, venv: pathlib.Path) -> None:
    ETC.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in files(secrets, venv).items():
        (ETC / name).write_text(text)


def files(secrets: Secrets, venv: pathlib.Path) -> dict[str, str]:
    """File name -> content."""
    found = {
        "keystone.conf": _keystone(),
        "glance-api.conf": _glance(secrets, venv),
        "placement.conf": _placement(secrets),
        "nova.conf": _nova(secrets),
        "neutron.conf": _neutron(secrets, venv),
        "cinder.conf": _cinder(secrets, venv),
        "octavia.conf": _octavia(secrets),
        "swift.conf": "[swift-hash]\nswift_hash_path_suffix = sandbox\n[swift-constraints]\nmax_header_size = 32768\n",
        "swift-internal.conf": _swift_internal(),
    }
    found |= {f"swift-proxy-{region}.conf": _swift_proxy(region, secrets) for region in S3_PORTS}
    found |= {f"swift-{kind}.conf": _swift_storage(kind) for kind in ("account", "container", "object")}
    return found


# ------------------------------------------------------------ common sections
def _service_user(secrets: Secrets) -> str:
    return f"""\
auth_type = password
auth_url = {AUTH_URL}
username = service
password = {secrets.service}
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = {HOME_REGION}
"""


def _as_service(secrets: Secrets, *sections: str) -> str:
    return "".join(f"\n[{section}]\n{_service_user(secrets)}" for section in sections)


def _token_check(secrets: Secrets) -> str:
    return f"""{_as_service(secrets, "keystone_authtoken")}\
www_authenticate_uri = {AUTH_URL}
service_token_roles = service
service_token_roles_required = true
"""


def _database(name: str, section: str = "database") -> str:
    return f"""
[{section}]
connection = mysql+pymysql://root@localhost/{name}?unix_socket={DATABASE_SOCKET}&charset=utf8
max_pool_size = 20
max_overflow = 50
"""


def _log(name: str) -> str:
    return f"""\
[DEFAULT]
log_dir = {LOG}
log_file = {name}.log
use_stderr = false
"""


def _locks() -> str:
    return f"\n[oslo_concurrency]\nlock_path = {DATA}/lock\n"


# ------------------------------------------------------------ the services
def _keystone() -> str:
    return f"""{_log("keystone")}\
max_token_size = 300
{_database("keystone")}
[cache]
enabled = true
backend = oslo_cache.dict
[token]
provider = fernet
expiration = 86400
[fernet_tokens]
key_repository = {DATA}/fernet
[credential]
key_repository = {DATA}/credential
[identity]
# The passwords are random: many rounds of hashing would only cost time.
password_hash_rounds = 4
"""


def _glance(secrets: Secrets, venv: pathlib.Path) -> str:
    return f"""{_log("glance")}\
enabled_backends = fs:file
enabled_import_methods = []
node_staging_uri = file://{DATA}/glance-staging
{_database("glance")}
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = {DATA}/glance
[os_glance_staging_store]
filesystem_store_datadir = {DATA}/glance-staging
[os_glance_tasks_store]
filesystem_store_datadir = {DATA}/glance-tasks
[paste_deploy]
flavor = keystone
config_file = {venv}/etc/glance/glance-api-paste.ini
{_token_check(secrets)}{_locks()}"""


def _placement(secrets: Secrets) -> str:
    return f"""{_log("placement")}{_database("placement", "placement_database")}
[api]
auth_strategy = keystone
{_token_check(secrets)}"""


def _nova(secrets: Secrets) -> str:
    return f"""{_log("nova")}\
state_path = {DATA}/nova
transport_url = {RPC}
my_ip = 127.0.0.1
compute_driver = sandbox.Driver
force_config_drive = true
allow_resize_to_same_host = true
resume_guests_state_on_host_boot = true
running_deleted_instance_action = reap
report_interval = 60
service_down_time = 100000
update_resources_interval = 600
sync_power_state_interval = 5
vif_plugging_is_fatal = false
vif_plugging_timeout = 0
{_database("nova_api", "api_database")}{_database("nova")}
[api]
auth_strategy = keystone
response_validation = ignore
[quota]
instances = 50
cores = 400
ram = 2000000
key_pairs = 100
server_groups = 50
server_group_members = {len(COMPUTE_HOSTS)}
{_token_check(secrets)}{_as_service(secrets, "service_user")}send_service_user_token = true
{_as_service(secrets, "placement", "neutron", "glance", "cinder")}os_region_name = {HOME_REGION}
[conductor]
workers = 1
[scheduler]
workers = 1
# Members of an anti-affinity group that are made at the same moment may meet on a host, and are moved on.
max_attempts = {len(COMPUTE_HOSTS)}
[filter_scheduler]
shuffle_best_same_weighted_hosts = true
[vnc]
enabled = false
{_locks()}{NO_NOTIFICATIONS}"""


def _neutron(secrets: Secrets, venv: pathlib.Path) -> str:
    return f"""{_log("neutron")}\
transport_url = {RPC}
core_plugin = ml2
service_plugins = router,port_forwarding,network_ip_availability
auth_strategy = keystone
api_paste_config = {venv}/etc/neutron/api-paste.ini
state_path = {DATA}/neutron
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
max_l3_agents_per_router = 0
rpc_workers = 0
[quotas]
quota_network = 100
quota_subnet = 100
quota_port = 500
quota_router = 20
quota_floatingip = 50
quota_security_group = 100
quota_security_group_rule = 1000
{_database("neutron")}{_token_check(secrets)}{_as_service(secrets, "nova", "placement")}
[ml2]
type_drivers = flat,vlan,vxlan
project_network_types = vxlan
mechanism_drivers = sandbox
extension_drivers = port_security,dns
[ml2_type_flat]
flat_networks = *
[ml2_type_vlan]
network_vlan_ranges = {",".join(vracks())}
[ml2_type_vxlan]
vni_ranges = 1:4000
{_locks()}{NO_NOTIFICATIONS}"""


def _cinder(secrets: Secrets, venv: pathlib.Path) -> str:
    return f"""{_log("cinder")}\
transport_url = {RPC}
host = control
my_ip = 127.0.0.1
auth_strategy = keystone
api_paste_config = {venv}/etc/cinder/api-paste.ini
resource_query_filters_file = {venv}/etc/cinder/resource_filters.json
state_path = {DATA}/cinder
enabled_backends = files
quota_volumes = 100
quota_snapshots = 100
quota_gigabytes = 20000
# Two services in one process share one class attribute (service_id): only the last of them reports, so never
# call the other one down.
service_down_time = 100000000
glance_api_servers = {URL["glance"]}
{_database("cinder")}{_token_check(secrets)}{_as_service(secrets, "service_user")}send_service_user_token = true
{_as_service(secrets, "nova")}
[files]
volume_driver = sandbox.openstack.cinder_driver.Driver
volume_backend_name = files
{_locks()}{NO_NOTIFICATIONS}"""


def _octavia(secrets: Secrets) -> str:
    return f"""{_log("octavia")}\
transport_url = {RPC}
host = control
{_database("octavia")}{_token_check(secrets)}{_as_service(secrets, "service_auth", "neutron")}
[api_settings]
auth_strategy = keystone
enabled_provider_drivers = amphora:HAProxy,octavia:The same by its older name
default_provider_driver = amphora
[controller_worker]
workers = 1
client_ca = {DATA}/octavia-ca.pem
amphora_driver = sandbox
network_driver = sandbox
compute_driver = compute_noop_driver
image_driver = image_noop_driver
volume_driver = volume_noop_driver
loadbalancer_topology = SINGLE
# No amphora is booted: these are required, and used by nobody.
amp_flavor_id = 00000000-0000-0000-0000-000000000001
amp_image_tag = amphora
amp_boot_network_list = 00000000-0000-0000-0000-000000000002
[health_manager]
heartbeat_key = {secrets.encryption}
controller_ip_port_list = 127.0.0.1:{PORTS["octavia-health"]}
[certificates]
cert_manager = local_cert_manager
storage_path = {DATA}/certificates
cert_generator = local_cert_generator
ca_certificate = {DATA}/octavia-ca.pem
ca_private_key = {DATA}/octavia-ca.key
ca_private_key_passphrase = {secrets.authority}
server_certs_key_passphrase = {secrets.encryption}
signing_digest = sha256
[haproxy_amphora]
base_path = {BALANCERS}
base_cert_dir = {BALANCERS}
connection_logging = false
[driver_agent]
status_socket_path = {RUN}/octavia-status.sock
stats_socket_path = {RUN}/octavia-stats.sock
get_socket_path = {RUN}/octavia-get.sock
[oslo_messaging]
topic = octavia
{_locks()}{NO_NOTIFICATIONS}"""


# ------------------------------------------------------------ Swift
def _filters(names: str) -> str:
    return "".join(f"[filter:{n}]\nuse = egg:swift#{n.replace('-', '_')}\n" for n in names.split())


def _swift_proxy(region: str, secrets: Secrets) -> str:
    pipeline = (
        "catch_errors gatekeeper healthcheck proxy-logging listing_formats bulk tempurl authtoken s3api s3token"
        " keystoneauth s3policies copy container-quotas account-quotas slo dlo versioned_writes symlink proxy-logging"
    )
    plain = "catch_errors gatekeeper healthcheck proxy-logging listing_formats bulk tempurl copy container-quotas"
    plain += " account-quotas slo dlo symlink"
    return f"""\
[DEFAULT]
swift_dir = {RINGS}
log_level = WARNING
user = root
[pipeline:main]
pipeline = {pipeline} proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:s3api]
use = egg:swift#s3api
location = {region}
storage_domain = {s3_name(region)}
[filter:s3token]
use = egg:swift#s3token
reseller_prefix = AUTH_
delay_auth_decision = true
auth_uri = {AUTH_URL}
{_service_user(secrets)}\
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
delay_auth_decision = true
{_token_check(secrets).split("]", 1)[1].strip()}
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, member, objectstore_operator
[filter:s3policies]
paste.filter_factory = sandbox.openstack.s3_policies:filter_factory
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
{_filters(plain)}"""


def _swift_storage(kind: str) -> str:
    return f"""\
[DEFAULT]
swift_dir = {RINGS}
devices = {DATA}/swift
mount_check = false
log_level = WARNING
user = root
fallocate_reserve = 0
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""


def _swift_internal() -> str:
    return f"""\
[DEFAULT]
swift_dir = {RINGS}
[pipeline:main]
pipeline = catch_errors proxy-logging symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
{_filters("catch_errors proxy-logging symlink")}"""
