"""OVHcloud's public names on the gateway's address: HAProxy with a certificate of the sandbox's authority.

Machines and browsers use the same endpoints of S3 and Swift, and the same API, as in production: by HTTPS only. Web
hosting plans answer here as well (hosting.py).
"""

from sandbox import DNS, ETC, GATEWAY, OVHCLOUD_PORT, authority, hosting
from sandbox.internet import EDGE_PORT
from sandbox.openstack.configuration import PORTS, S3_PORTS, s3_name, swift_name
from sandbox.processes import Daemon, is_listening

# The API, and where service accounts get their tokens; where OpenStack's users get theirs.
API, AUTH = ("eu.api.ovh.com", "www.ovh.com"), "auth.cloud.ovh.net"
CONFIGURATION, CERTIFICATE = ETC / "edge.cfg", authority.DIRECTORY / "edge.pem"


def configuration() -> str:
    lines = [
        "global",
        "    maxconn 1000",
        "    no strict-limits",
        "defaults",
        "    mode http",
        "    timeout connect 5s",
        "    timeout client 5m",
        "    timeout server 5m",
        "frontend edge",
        f"    bind {GATEWAY}:{EDGE_PORT} ssl crt {CERTIFICATE} alpn h2,http/1.1",
    ]
    for region in S3_PORTS:
        # The region itself, or a bucket of it.
        host = s3_name(region)
        lines.append(f"    use_backend {region} if {{ hdr(host),host_only -m end .{host} }}")
        lines.append(f"    use_backend {region} if {{ hdr(host),host_only {host} {swift_name(region)} }}")
    lines += [f"    use_backend api if {{ hdr(host),host_only {host} }}" for host in API]
    lines.append(f"    use_backend auth if {{ hdr(host),host_only {AUTH} }}")
    lines += ["backend api", f"    server api 127.0.0.1:{OVHCLOUD_PORT}"]
    lines += ["backend auth", f"    server keystone 127.0.0.1:{PORTS['keystone']}"]
    for region, port in S3_PORTS.items():
        # Swift may refuse an upload without reading it; what is left must not be taken for the next request.
        lines += [f"backend {region}", "    option http-server-close", f"    server swift 127.0.0.1:{port}"]
    return "\n".join([*lines, *hosting.configuration()]) + "\n"


def names() -> str:
    """dnsmasq: these names, and all below them, are here."""
    hosts = [*(name(region) for region in S3_PORTS for name in (s3_name, swift_name)), *API, AUTH]
    return "".join(f"address=/{host}/{GATEWAY}\n" for host in hosts)


def configure() -> None:
    """Write certificate, configuration and names."""
    hosts = [s3_name(region) for region in S3_PORTS]
    swift = [swift_name(region) for region in S3_PORTS]
    authority.issue([*hosts, *(f"*.{host}" for host in hosts), *swift, *API, AUTH], CERTIFICATE)
    CONFIGURATION.write_text(configuration())
    (DNS / "edge.conf").write_text(names())


def daemon() -> Daemon:
    command = ["haproxy", "-db", "-f", CONFIGURATION]
    return Daemon("edge", command, lambda: is_listening(GATEWAY, EDGE_PORT), listens=[(GATEWAY, EDGE_PORT)])
