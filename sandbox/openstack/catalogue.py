"""What the cloud offers, named and sized as OVHcloud names and sizes it.

python -m sandbox.openstack.catalogue identity | offer
"""

import io
import json
import sys
from typing import Any

from sandbox import GATEWAY, GATEWAY6, INTERNET, NETWORK, NETWORK6, PROJECT, RELEASE
from sandbox.building import write
from sandbox.openstack import secrets
from sandbox.openstack.admin import CUSTOMER_PROJECT, connection
from sandbox.openstack.configuration import AUTH_URL, REGIONS, SWIFT_URL, URL

IMAGE = f"Debian {RELEASE}"
EXTERNAL_NETWORK = "Ext-Net"
ALLOCATED = ("198.18.128.0", "198.18.255.250")
# name: virtual processors, memory in MiB, disk in GB (OVHcloud's price list of public cloud instances)
FLAVORS = {
    "d2-2": (1, 2_000, 25),
    "d2-4": (2, 4_000, 50),
    "d2-8": (4, 8_000, 50),
    "b3-8": (2, 8_000, 50),
    "b3-16": (4, 16_000, 100),
    "b3-32": (8, 32_000, 200),
    "b3-64": (16, 64_000, 400),
    "b3-128": (32, 128_000, 400),
    "c3-4": (2, 4_000, 50),
    "c3-8": (4, 8_000, 100),
    "c3-16": (8, 16_000, 200),
    "c3-32": (16, 32_000, 400),
    "r3-16": (2, 16_000, 50),
    "r3-32": (4, 32_000, 100),
    "r3-64": (8, 64_000, 200),
    "r3-128": (16, 128_000, 400),
}
SERVICES = {
    "identity": AUTH_URL,
    "image": URL["glance"],
    "placement": URL["placement"],
    "compute": f"{URL['nova']}/v2.1",
    "network": URL["neutron"],
    "block-storage": f"{URL['cinder']}/v3",
    "volumev3": f"{URL['cinder']}/v3",
    "load-balancer": URL["octavia"],
    "object-store": f"{SWIFT_URL}/v1/AUTH_%(project_id)s",
}
CUSTOMER_ROLES = ("member", "load-balancer_member", "objectstore_operator")


def identity() -> None:
    """Projects, users, roles and endpoints; writes the customer's credentials."""
    own = secrets.load()
    keystone: Any = connection(project="admin").identity
    roles = {role.name: role for role in keystone.roles()}
    for name in ("load-balancer_member", "load-balancer_admin", "objectstore_operator"):
        roles[name] = keystone.create_role(name=name)
    projects = {project.name: project for project in keystone.projects()}
    for name in ("service", CUSTOMER_PROJECT):
        projects[name] = keystone.create_project(name=name, domain_id="default")
    users = {user.name: user for user in keystone.users()}
    for name, password in (("service", own.service), (own.customer_name, own.customer)):
        users[name] = keystone.create_user(name=name, password=password, domain_id="default")
    grants = [
        ("service", "service", ("admin", "service")),
        ("admin", "admin", ("load-balancer_admin",)),
        ("admin", CUSTOMER_PROJECT, ("admin", "load-balancer_admin")),
        (own.customer_name, CUSTOMER_PROJECT, CUSTOMER_ROLES),
    ]
    for user, project, names in grants:
        for name in names:
            keystone.assign_project_role_to_user(projects[project], users[user], roles[name])
    _endpoints(keystone)
    customer = projects[CUSTOMER_PROJECT]
    credentials = {
        "project_id": customer.id,
        "project_name": customer.name,
        "user_id": users[own.customer_name].id,
        "user_name": own.customer_name,
        "password": own.customer,
        "ovh": {
            "application_key": own.application_key,
            "application_secret": own.application_secret,
            "consumer_key": own.consumer_key,
        },
    }
    write(PROJECT, json.dumps(credentials, indent=1), 0o600)


def _endpoints(keystone: Any) -> None:
    present = {region.id for region in keystone.regions()}
    for region in REGIONS:
        if region not in present:
            keystone.create_region(id=region)
    services = {service.type: service for service in keystone.services()}
    have = {(e.service_id, e.interface, e.region_id) for e in keystone.endpoints()}
    for kind, url in SERVICES.items():
        service = services.get(kind) or keystone.create_service(name=kind, type=kind)
        for region in REGIONS:
            # "internal" is where the services look for each other.
            for interface in ("public", "internal"):
                if (service.id, interface, region) not in have:
                    keystone.create_endpoint(service_id=service.id, interface=interface, url=url, region_id=region)


def offer() -> None:
    """Networks, flavors, images."""
    cloud: Any = connection(project="admin")
    external = cloud.network.create_network(
        name=EXTERNAL_NETWORK,
        is_router_external=True,
        is_shared=True,  # ordinary users boot on it
        provider_network_type="flat",
        provider_physical_network=INTERNET,
    )
    first, last = ALLOCATED
    cloud.network.create_subnet(
        name=EXTERNAL_NETWORK,
        network_id=external.id,
        ip_version=4,
        cidr=NETWORK,
        gateway_ip=GATEWAY,
        allocation_pools=[{"start": first, "end": last}],
        dns_nameservers=[GATEWAY],
        is_dhcp_enabled=False,
    )
    # As on OVHcloud a port gets an address of each, and nobody promises in which order they are listed.
    cloud.network.create_subnet(
        name=f"{EXTERNAL_NETWORK}-ipv6",
        network_id=external.id,
        ip_version=6,
        cidr=NETWORK6,
        gateway_ip=GATEWAY6,
        is_dhcp_enabled=False,
    )
    # OVHcloud's default group lets everything in.
    for version in ("IPv4", "IPv6"):
        cloud.network.create_default_security_group_rule(
            direction="ingress", ether_type=version, used_in_default_sg=True, used_in_non_default_sg=False
        )
    for name, (processors, memory, disk) in FLAVORS.items():
        cloud.compute.create_flavor(name=name, vcpus=processors, ram=memory, disk=disk)
    cloud.image.create_image(
        name=IMAGE,
        data=io.BytesIO(b"a root file system of the sandbox"),
        validate_checksum=False,
        disk_format="raw",
        container_format="bare",
        visibility="public",
        allow_duplicates=True,
        # What Nova's driver boots is the root file system of this name.
        properties={"os_distro": "debian", "os_version": str(RELEASE), "image_original_user": "debian"},
    )


if __name__ == "__main__":
    {"identity": identity, "offer": offer}[sys.argv[1]]()
