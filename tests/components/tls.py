"""An authority and the certificates of machines, as a component declares them."""

from pathlib import Path

from tests.components.data.mysql_pair.pair import sh

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """`authority.crt` and `authority.key` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.own = folder / "authority"
        files = ("-keyout", f"{self.own}.key", "-out", f"{self.own}.crt")
        sh("openssl", "req", "-x509", *KEY, "-subj", "/CN=authority", *files)

    def certify(self, place: Path, *addresses: str) -> None:
        """PLACE.crt and PLACE.key, for a machine that is asked for at these addresses."""
        named = ",".join(f"IP:{address}" for address in addresses)
        subject = ("-subj", f"/CN={place.name}", "-addext", f"subjectAltName={named}")
        sign = ("-CA", f"{self.own}.crt", "-CAkey", f"{self.own}.key")
        sh("openssl", "req", "-x509", *KEY, *subject, *sign, "-keyout", f"{place}.key", "-out", f"{place}.crt")
