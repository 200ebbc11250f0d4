"""URLs that let whoever has them read or write one object, for a while: Swift's TempURL and S3's presigned requests.

    casebook-signed-url KEY-FILE METHOD NAME SECONDS     print one

Standard library only: this file is also installed on machines, beside the application that signs. A key file is JSON:
{"url", "key"} of a Swift container, or {"endpoint", "region", "bucket", "access_key", "secret_key"} of an S3 bucket.

Sources: docs.openstack.org/swift "TempURL"; docs.aws.amazon.com "Authenticating Requests: Using Query Parameters".
"""

import hashlib
import hmac
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlencode, urlsplit


class Signer(Protocol):
    """Signs requests for the objects of one container."""

    def signed(self, method: str, name: str, seconds: int) -> str:
        """The URL with which `method` is allowed on the object `name`, for so long."""


@dataclass(frozen=True)
class Swift:
    """A container with a TempURL key of its own."""

    url: str
    key: str

    def signed(self, method: str, name: str, seconds: int) -> str:
        url, expires = f"{self.url}/{quote(name)}", int(time.time()) + seconds
        message = f"{method}\n{expires}\n{urlsplit(url).path}"
        signature = hmac.new(self.key.encode(), message.encode(), hashlib.sha256).hexdigest()
        return f"{url}?temp_url_sig={signature}&temp_url_expires={expires}"


@dataclass(frozen=True)
class S3:
    """A bucket and the key of a user; a URL can do no more than this user may."""

    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: str

    def signed(self, method: str, name: str, seconds: int, **more: str) -> str:
        """`more` is signed along: prefix and marker of a list, whose name is empty."""
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        host, path = urlsplit(self.endpoint).netloc, f"/{self.bucket}/{quote(name)}"
        asked = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.access_key}/{scope}",
            "X-Amz-Date": now,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
            **more,
        }
        query = urlencode(sorted(asked.items()), quote_via=quote, safe="")
        request = f"{method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        message = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = f"AWS4{self.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, message.encode(), hashlib.sha256).hexdigest()
        return f"{self.endpoint}{path}?{query}&X-Amz-Signature={signature}"


def load(text: str) -> Signer:
    """The signer of a key file's text."""
    values = json.loads(text)
    return S3(**values) if "bucket" in values else Swift(**values)


def main() -> None:
    if len(sys.argv) != 5 or not sys.argv[4].isdigit():
        sys.exit(__doc__)
    file, method, name, seconds = sys.argv[1:]
    print(load(Path(file).read_text()).signed(method, name, int(seconds)))


if __name__ == "__main__":
    main()
