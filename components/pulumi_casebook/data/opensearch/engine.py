"""One node of OpenSearch as a role. A machine may have several, each with files and data of its own."""

from collections.abc import Mapping

from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Allow, Configuration, Directory, File, Ready, Repository, Unit

HTTP_PORT, TRANSPORT_PORT = 9200, 9300
REPOSITORY = Repository(
    name="opensearch",
    uri="https://artifacts.opensearch.org/releases/bundle/opensearch/2.x/apt",
    suite="stable",
    component="main",
    key="https://artifacts.opensearch.org/publickeys/opensearch.pgp",
    fingerprint="C5B7498965EFD1C2924BA9D539D319879310D3FC",
)
OWNER = "opensearch:opensearch"


def engine(
    role: str,
    settings: Mapping[str, object],
    heap_mib: int,
    ready: Ready,
    allow: tuple[Allow, ...] = (),
    files: tuple[File, ...] = (),
) -> Configuration:
    """The role of a node: `settings` are lines of its opensearch.yml, `files` whatever else the role needs.

    The engine's own accounts and TLS are off: who reaches it is the firewall's to say, which `allow` opens.
    """
    name = f"opensearch-{role}"
    etc = f"/etc/{name}"
    own = (
        File(path=f"{etc}/opensearch.yml", content=render(__file__, "opensearch.yml.j2", node=name, settings=settings)),
        File(path=f"{etc}/jvm.options", content=render(__file__, "jvm.options.j2", heap_mib=heap_mib)),
        File(path=f"{etc}/log4j2.properties", content=render(__file__, "log4j2.properties.j2")),
        File(path=f"/etc/systemd/system/{name}.service", content=render(__file__, "opensearch.service.j2", node=name)),
    )
    return Configuration(
        role=role,
        packages=("opensearch",),
        repositories=(REPOSITORY,),
        # Demonstration certificates, which the package would make.
        variables={"DISABLE_INSTALL_DEMO_CONFIG": "true"},
        # The engine keeps a key store beside its configuration.
        directories=(Directory(path=etc, owner=OWNER, mode="0750"), Directory(path=f"/var/lib/{name}", owner=OWNER)),
        files=(*own, *files),
        units=(Unit(unit=f"{name}.service", restart_on=tuple(file.path for file in own), restart_seconds=5),),
        allow=allow,
        ready=ready,
    )
