"""Arguments of a tier of nginx."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from pulumi_casebook.core.args import Address, Args, Label, Line, MachinePath, Port, Unique, Url, form
from pulumi_casebook.core.clients import Clients, Served, cidrs_of
from pulumi_casebook.edge.haproxy_tier.args import Endpoint, Header, Method
from pulumi_casebook.machines.machine import PrivateMachines
from pulumi_casebook.machines.site import Limits, Service
from pulumi_casebook.web.application import Source

# As the template of all nginx has it.
CONNECTIONS, FILES = 4096, 16384
CONNECT_SECONDS = 1


def _word(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/ -]*", value):
        raise ValueError("letters, digits, spaces and ._/- : it becomes part of nginx's own configuration")
    return value


Word = Annotated[str, AfterValidator(_word)]
Value = Annotated[Line, form(r'[^"\\$]*', 'nginx would read ", \\ and $ in it as its own syntax; leave them out')]
Prefix = Annotated[str, form(r"/[A-Za-z0-9._/~-]*", "how a path begins: /, then letters, digits and ._/~-")]
Origin = Annotated[
    Url,
    form(
        r"https?://[A-Za-z0-9.:-]+(/[A-Za-z0-9._/~-]+)?", "a container's URL has letters, digits and ._/~- in its path"
    ),
]
Cookie = Annotated[str, form(r"[A-Za-z0-9_-]{1,64}", "a cookie's name has letters, digits, _ and - in it, 64 at most")]

Extension = Annotated[str, form(r"[a-z0-9]{1,16}", "the end of a file's name, without its dot, such as bak")]


class PageCache(Args):
    """Pages that PHP, or what is behind, has made once are given to everybody who asks for the same."""

    # How long a page is fresh, in seconds, where the application does not say (Cache-Control, Expires).
    seconds: int = Field(default=60, ge=1)
    # How long an old page may stand in while a new one is made, or while nobody can make one.
    stale_seconds: int = Field(default=86400, ge=0)
    # Requests that carry one of these cookies get pages of their own, which are not kept.
    private_cookies: Unique[Cookie] = ("PHPSESSID", "session")
    # On each member's disk.
    size_mib: int = Field(default=2048, ge=16)


class Images(Args):
    """Images of an object storage, below a path of the site: `/images/a.jpg?width=320`."""

    # Where they are: the address of a container that may be read.
    origin: Origin
    # Where the site shows them.
    path: Prefix = "/images/"
    # The widths that may be asked for, in pixels; without `width` the image comes as it is stored.
    widths: Unique[int] = (160, 320, 640, 960, 1280)
    # Of JPEG and WebP.
    quality: int = Field(default=85, ge=1, le=100)
    # The largest stored image that is resized.
    source_mib: int = Field(default=20, ge=1, le=512)
    # How long an image is kept, in days; one that changes gets another name.
    days: int = Field(default=30, ge=1)
    # On each member's disk: stored images and resized ones.
    size_mib: int = Field(default=10240, ge=32)
    # Who resolves the origin's name, where it is one: nginx asks them itself, for a storage's addresses change.
    resolvers: Unique[Address] = ()

    @model_validator(mode="after")
    def _widths(self) -> "Images":
        if not self.path.endswith("/"):
            raise ValueError(f"path={self.path}: ends with /, for images are below it")
        if wrong := [width for width in self.widths if not 1 <= width <= 8192]:
            raise ValueError(f"widths: {wrong[0]} is not between 1 and 8192 pixels")
        host = self.origin.partition("://")[2].partition("/")[0]
        if not self.resolvers and not re.fullmatch(r"[\d.]+(:\d+)?", host):
            raise ValueError(
                f"origin={self.origin}: {host} is a name, and nginx needs resolvers to ask for its address"
            )
        return self


class RequestFilter(Args):
    """Kinds of requests that go no further."""

    # Any other is answered with 405.
    methods: Unique[Method] = ("GET", "HEAD", "POST")
    # What begins like this is answered with 403.
    paths: Unique[Prefix] = ("/wp-admin", "/wp-login.php", "/phpmyadmin", "/cgi-bin", "/server-status")
    # Files of these kinds, and everything hidden (/.git, /.env), are answered with 403.
    extensions: Unique[Extension] = (
        "bak",
        "conf",
        "ini",
        "log",
        "old",
        "sql",
        "swp",
    )
    # A client whose User-Agent has one of these words in it gets no answer at all.
    user_agents: Unique[Word] = ("sqlmap", "nikto", "masscan", "nmap", "zgrab", "acunetix", "dirbuster")
    # A larger body is answered with 413; None: what stands behind takes, else 16.
    body_mib: int | None = Field(default=None, ge=1)
    # A client that asks more often than this is answered with 429; None: as often as it likes.
    requests_per_second: int | None = Field(default=None, ge=1)


class NginxTierArgs(Served):
    # The members; one takes a change after the other.
    machines: PrivateMachines
    # Who may connect: the HAProxy tier in front.
    clients: Clients = Field(min_length=1)
    # What makes the pages, as its tier hands it over: php-fpm, or what speaks HTTP.
    to: Service | None = None
    # FastCGI servers that make the pages, where no tier hands them over.
    php: Mapping[Label, Endpoint] = Field(default_factory=dict)
    # Where the application is on them.
    php_root: MachinePath = "/srv/php/current"
    # HTTP servers that answer, instead of php. Name -> address, or address:port.
    upstreams: Mapping[Label, Endpoint] = Field(default_factory=dict)
    # A folder of files (styles, scripts) that nginx answers with itself.
    static: Source | None = None
    # Pages kept; None: every request goes on.
    cache: PageCache | None = None
    # Images of an object storage.
    images: Images | None = None
    # What goes no further; None: everything does.
    request_filter: RequestFilter | None = None
    # Who is believed about clients (X-Forwarded-For, or the PROXY protocol).
    trusted_proxies: Clients = ()
    # The tier in front speaks the PROXY protocol, and must.
    proxy_protocol: bool = False
    # Set on every answer.
    response_headers: Mapping[Header, Value] = Field(default_factory=dict)
    # Of the site.
    port: Port = 80
    # How long what is behind may take to answer, in seconds. One that hangs is left after it, and the next is asked
    # what changes nothing (GET, HEAD): take as little as the site's slowest page allows. None: what stands behind may
    # take, else 30.
    answer_seconds: int | None = Field(default=None, ge=1)
    # Without a byte on a websocket, in seconds, after which it ends; of HTTP servers behind.
    websocket_seconds: int = Field(default=300, ge=1, le=86400)
    # KiB of a request's first line and headers together; more is answered with 400 or 414.
    header_kib: int = Field(default=16, ge=4, le=256)

    @property
    def trusted_cidrs(self) -> tuple[str, ...]:
        return cidrs_of(self.trusted_proxies)

    @property
    def behind(self) -> Limits:
        """Of what makes the pages."""
        return self.to.limits if self.to else Limits()

    @property
    def body_mib(self) -> int:
        return (self.request_filter and self.request_filter.body_mib) or self.behind.body_mib or 16

    @property
    def patience(self) -> int:
        """Seconds that one server behind may take for an answer."""
        return self.answer_seconds or math.ceil(self.behind.answer_seconds or 30)

    @property
    def passed_on(self) -> Limits:
        """What reaches the servers behind; how many requests at once, is theirs to say."""
        return replace(self.limits, answer_seconds=self.patience, connections=None, files=None)

    @property
    def limits(self) -> Limits:
        """Of its requests; one that is asked of a second server takes twice as long."""
        tries = 1 if len(self.php or self.upstreams) == 1 else 2
        return Limits(
            header_kib=self.header_kib,
            body_mib=self.body_mib,
            connect_seconds=CONNECT_SECONDS,
            answer_seconds=tries * self.patience,
            idle_seconds=self.websocket_seconds if self.upstreams else None,
            # Of one of its processes, of which there is one a core: each request has two connections.
            connections=CONNECTIONS // 2,
            files=FILES,
        )

    @model_validator(mode="before")
    @classmethod
    def _handed_over(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(service := values.get("to"), Service):
            return values
        servers = {name: f"{address}:{service.port}" for name, address in service.servers.items()}
        handed = {"php": servers, "php_root": service.root} if service.mode == "fastcgi" else {"upstreams": servers}
        return {**handed, **values}

    @model_validator(mode="after")
    def _consistent(self) -> "NginxTierArgs":
        if bool(self.php) == bool(self.upstreams):
            raise ValueError("to, php or upstreams: pages come from one of them")
        if self.to:
            self.to.check_open_to("to", self.machines)
        if misfit := self.passed_on.misfit(self.behind):
            raise ValueError(misfit)
        if self.proxy_protocol and not self.trusted_proxies:
            raise ValueError("proxy_protocol: says who clients are; trusted_proxies says who is believed")
        return self
