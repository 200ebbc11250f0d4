"""nginx on each of a tier's machines, in front of what makes the pages."""

from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.edge.haproxy_tier.args import endpoints
from pulumi_casebook.machines.configuration import Allow, Configuration, Directory, File, Ready, Unit
from pulumi_casebook.machines.machine import Machine, one_after_another
from pulumi_casebook.machines.site import HealthCheck, Service, servers_of
from pulumi_casebook.web.application import Application
from pulumi_casebook.web.nginx_tier.args import CONNECT_SECONDS, NginxTierArgs

CACHES = "/var/cache/nginx"
RESIZER = "127.0.0.1:8081"


class NginxTier(Component[NginxTierArgs]):
    """nginx 1.26 (Debian 13) on machines with the same configuration: page cache, images, reverse proxy with a filter.

    Declares the role `nginx` on each machine, one machine after the other. A change is a reload: open requests end on
    the old workers, new ones come to the new ones, none is refused.

    Attributes, known at preview: `service`, for the backend of the tier in front.
    Sources: NRT-4, NRT-8, KEY-2; nginx.org "ngx_http_fastcgi_module", "ngx_http_image_filter_module".
    """

    @takes(NginxTierArgs)
    def __init__(self, args: NginxTierArgs) -> None:
        servers = servers_of(args.machines)
        self.service = Service(
            self,
            self.name,
            servers,
            args.port,
            HealthCheck(proves="nginx answers; nothing of what makes the pages, whose dead servers its requests find"),
            args.allowed_cidrs,
            machines=args.machines,
            limits=args.limits,
            passes_to=((args.to, args.passed_on),) if args.to else (),
        )
        static = Application("nginx", args.static) if args.static else None
        one_after_another(self, args.machines, "nginx", lambda machine: configuration(args, machine, static))


def configuration(args: NginxTierArgs, machine: Machine, static: Application | None) -> Configuration:
    """What one member must hold."""
    nginx = File(
        path="/etc/nginx/nginx.conf",
        content=render(
            __file__,
            "nginx.conf.j2",
            args=args,
            machine=machine,
            static=static.root if static else None,
            behind=endpoints(args.php or args.upstreams, 9000 if args.php else 80),
            kind="fastcgi" if args.php else "proxy",
            caches=CACHES,
            connect_seconds=CONNECT_SECONDS,
            resizer=RESIZER,
        ),
    )
    kept = [
        name for name, wanted in (("pages", args.cache), ("images", args.images), ("sources", args.images)) if wanted
    ]
    return Configuration(
        role="nginx",
        packages=("curl", "logrotate", "nginx", *(["libnginx-mod-http-image-filter"] if args.images else [])),
        directories=(
            *(static.directories if static else ()),
            *(Directory(path=f"{CACHES}/{name}", owner="www-data:root", mode="0700") for name in kept),
        ),
        files=(*(static.files if static else ()), nginx),
        units=(
            *(static.units if static else ()),
            Unit(unit="nginx.service", reload_on=(nginx.path,), check="nginx -t -q"),
        ),
        allow=(Allow(port=args.port, sources=args.allowed_cidrs),),
        ready=Ready(
            command=f"curl -fsS --max-time 5 {'--haproxy-protocol ' if args.proxy_protocol else ''}"
            f"http://{machine.address}:{args.port}/healthz"
        ),
    )
