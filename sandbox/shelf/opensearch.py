"""OpenSearch as a Debian package: the engine's own jars, as Maven has them, in the vendor's layout.

`opensearch/` holds what no jar is published of: the package's skeleton, with descriptions and rights of the modules,
and the class that loads the classes of plugins.
"""

import hashlib
import pathlib
import shutil
import subprocess
import zipfile

from sandbox import building, host
from sandbox.shelf import SHELF
from sandbox.toolchain.home import fingerprint

SOURCE = pathlib.Path(__file__).with_suffix("")
JARS = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
# What belongs to a module; all else is the server's.
MODULES = {
    "analysis-common-*": "analysis-common",
    "transport-netty4-*": "transport-netty4",
    "netty-*": "transport-netty4",
}


def package() -> pathlib.Path:
    """The package of the present recipe, made if it is not there. RuntimeError says why it cannot be made."""
    recipe = hashlib.sha256(f"{fingerprint(SOURCE)} {pathlib.Path(__file__).read_text()}".encode()).hexdigest()[:12]
    return building.built(SHELF / f"opensearch-{recipe}.deb", _make, "OpenSearch's package", 1)


def _make(draft: pathlib.Path) -> None:
    if not shutil.which("mvn"):
        host.install(["maven"])
    work = draft.parent
    jars, classes, root = work / "jars", work / "classes", work / "root"
    home = root / "usr/share/opensearch"
    _run("mvn", "-B", "-q", "-f", SOURCE / "pom.xml", JARS, f"-DoutputDirectory={jars}")
    shutil.copytree(SOURCE / "root", root)
    compiler, security = *jars.glob("ecj-*.jar"), *jars.glob("opensearch-security-*.zip")
    _run(
        "java",
        "-jar",
        compiler,
        "-17",
        "-nowarn",
        "-cp",
        ":".join(map(str, jars.glob("*.jar"))),
        "-d",
        classes,
        *SOURCE.glob("*.java"),
    )
    compiler.unlink()
    # The engine gives rights to jars by their names, the version left out.
    [core] = jars.glob("opensearch-core-*.jar")
    archive_of_classes = shutil.make_archive(str(work / "classes"), "zip", classes)
    pathlib.Path(archive_of_classes).rename(jars / core.name.replace("core", "plugin-classloader"))
    with zipfile.ZipFile(security) as archive:
        archive.extractall(home / "plugins/opensearch-security")
    security.unlink()
    for pattern, module in MODULES.items():
        for jar in jars.glob(pattern):
            jar.rename(home / "modules" / module / jar.name)
    jars.rename(home / "lib")
    # Jars are compressed.
    _run("dpkg-deb", "--root-owner-group", "-Znone", "--build", root, draft)


def _run(*command: object) -> None:
    done = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True)
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()] or ["it said nothing"]
        raise RuntimeError(f"OpenSearch's package cannot be made: {command[0]}: {said[0]}")
