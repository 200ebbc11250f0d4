"""The sandbox's certificate authority, which its machines trust, and the certificates it gives."""

import pathlib
import tempfile

from sandbox import STATE, building
from sandbox.shell import run

DIRECTORY = STATE / "authority"
CERTIFICATE, KEY = DIRECTORY / "ca.pem", DIRECTORY / "ca.key"
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]


def ensure() -> str:
    """Make the authority once; returns its certificate."""
    building.built(DIRECTORY, _make, "the sandbox's certificate authority", 0.01)
    return CERTIFICATE.read_text()


def _make(draft: pathlib.Path) -> None:
    draft.mkdir(mode=0o700)
    subject = ["-subj", "/O=Casebook sandbox/CN=Casebook sandbox CA", "-days", "3650"]
    usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    made = ["-keyout", draft / KEY.name, "-out", draft / CERTIFICATE.name]
    run("openssl", "req", "-x509", *NEW_KEY, *subject, *usage, *made)


def issue(names: list[str], target: pathlib.Path) -> None:
    """Write certificate and key for some DNS names (`*.` allowed) into `target`, one PEM file, unless it has them."""
    # As strictly as Python 3.13 looks.
    strict = ["-x509_strict", "-CAfile", CERTIFICATE]
    if target.exists() and ": OK" in run("openssl", "verify", *strict, target, check=False):
        has = run("openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", target).replace(",", " ").split()
        if {f"DNS:{name}" for name in names} <= set(has):
            return
    with tempfile.TemporaryDirectory(dir=DIRECTORY) as work:
        key, request, certificate, extensions = (pathlib.Path(work, name) for name in ("key", "csr", "crt", "ext"))
        extensions.write_text(
            "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
            "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
            f"subjectAltName={','.join(f'DNS:{name}' for name in names)}\n"
        )
        run("openssl", "req", *NEW_KEY, "-subj", f"/CN={names[0]}", "-keyout", key, "-out", request)
        signing = ["-CA", CERTIFICATE, "-CAkey", KEY, "-CAcreateserial", "-days", "3650", "-extfile", extensions]
        run("openssl", "x509", "-req", "-in", request, *signing, "-out", certificate)
        building.write(target, certificate.read_text() + key.read_text(), 0o600)
