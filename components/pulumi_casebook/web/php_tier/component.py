"""PHP on each of a tier's machines: php-fpm, or Apache with PHP inside."""

import ipaddress

from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.debian import PHP
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Allow, Configuration, File, Ready, Unit
from pulumi_casebook.machines.machine import Machine, one_after_another
from pulumi_casebook.machines.site import HealthCheck, Service, servers_of
from pulumi_casebook.web.application import Application
from pulumi_casebook.web.environment import authority_files, role_secrets, written
from pulumi_casebook.web.php_tier.args import PhpTierArgs

FASTCGI = 9000
# Addresses that php-fpm is given as a list.
LISTED = 1024
CHECK = "/usr/share/php-tier/healthz.php"


class PhpTier(Component[PhpTierArgs]):
    """PHP 8.4 (Debian 13) on machines that share nothing; the application is the same on each.

    Declares the role `php` on each machine, one machine after the other. A change is a reload that lets requests
    end; code is read once, at that reload (opcache without looking at files).

    Attributes, known at preview: `service`, FastCGI for an `NginxTier`, HTTP (apache) for a backend of HAProxy.
    Sources: NRT-4, KEY-3; php.net "FPM configuration", "OPcache"; httpd.apache.org 2.4 "mpm_prefork".
    """

    @takes(PhpTierArgs)
    def __init__(self, args: PhpTierArgs) -> None:
        application = Application("php", args.application)
        self.service = Service(
            self,
            self.name,
            servers_of(args.machines),
            FASTCGI if args.server == "fpm" else 80,
            HealthCheck(proves="a process takes requests within the check's time, and can read the application"),
            args.allowed_cidrs,
            "fastcgi" if args.server == "fpm" else "http",
            application.root,
            args.machines,
            args.limits,
            args.passes_to,
        )
        made = configurations[args.server]
        one_after_another(
            self,
            args.machines,
            "php",
            lambda machine: made(args, machine, application),
            role_secrets(args.secrets, args.authorities),
        )


def fpm(args: PhpTierArgs, machine: Machine, application: Application) -> Configuration:
    """What one php-fpm must hold."""
    folder, unit = f"/etc/php/{PHP}/fpm", f"php{PHP}-fpm.service"
    files = (
        _rendered("php.ini", f"{folder}/conf.d/90-casebook.ini", args, machine, application),
        _rendered("pool.conf", f"{folder}/pool.d/www.conf", args, machine, application, private=True),
        _rendered("healthz.php", CHECK, args, machine, application),
        *_authorities(args).values(),
    )
    asked = f"SCRIPT_NAME={CHECK} SCRIPT_FILENAME={CHECK} REQUEST_METHOD=GET"
    return Configuration(
        role="php",
        packages=(f"php{PHP}-fpm", *_extensions(args), "libfcgi-bin"),
        directories=application.directories,
        files=(*application.files, *files),
        units=(
            *application.units,
            Unit(
                unit=unit,
                reload_on=(*application.follows, *(file.path for file in files)),
                check=f"php-fpm{PHP} -t",
            ),
        ),
        allow=(Allow(port=FASTCGI, sources=args.allowed_cidrs),),
        ready=Ready(command=f"{asked} timeout 5 cgi-fcgi -bind -connect {machine.address}:{FASTCGI} | grep -qx ready"),
    )


def apache(args: PhpTierArgs, machine: Machine, application: Application) -> Configuration:
    """What one Apache must hold."""
    files = (
        _rendered("php.ini", f"/etc/php/{PHP}/apache2/conf.d/90-casebook.ini", args, machine, application),
        _rendered("site.conf", "/etc/apache2/sites-enabled/000-default.conf", args, machine, application, private=True),
        File(path="/etc/apache2/ports.conf", content=f"Listen {machine.address}:80\n"),
        _rendered("healthz.php", CHECK, args, machine, application),
        *_authorities(args).values(),
    )
    return Configuration(
        role="php",
        packages=("apache2", f"libapache2-mod-php{PHP}", *_extensions(args), "curl"),
        directories=application.directories,
        files=(*application.files, *files),
        units=(
            *application.units,
            Unit(
                unit="apache2.service",
                reload_on=(*application.follows, *(file.path for file in files)),
                check="apache2ctl -t",
            ),
        ),
        allow=(Allow(port=80, sources=args.allowed_cidrs),),
        ready=Ready(command=f"curl -fsS --max-time 5 http://{machine.address}/healthz"),
    )


configurations = {"fpm": fpm, "apache": apache}


def _addresses(args: PhpTierArgs, machine: Machine) -> list[str]:
    """Of clients, one by one, as php-fpm wants them, and of the machine itself, which asks whether it is ready; none
    where they are too many."""
    networks = [ipaddress.IPv4Network(cidr) for cidr in args.allowed_cidrs]
    if sum(network.num_addresses for network in networks) > LISTED:
        return []
    return [str(machine.address), *(str(address) for network in networks for address in network)]


def _authorities(args: PhpTierArgs) -> dict[str, File]:
    return authority_files("php", "www-data", args.authorities)


def _extensions(args: PhpTierArgs) -> tuple[str, ...]:
    return tuple(f"php{PHP}-{name}" for name in sorted({"opcache", *args.extensions}))


def _rendered(
    template: str, path: str, args: PhpTierArgs, machine: Machine, application: Application, private: bool = False
) -> File:
    content = render(
        __file__,
        f"{template}.j2",
        args=args,
        machine=machine,
        root=application.root,
        environment=written(args.environment, args.secrets, _authorities(args)),
        check=CHECK,
        clients=_addresses(args, machine),
    )
    return File(path=path, content=content, mode="0600" if private else "0644")
