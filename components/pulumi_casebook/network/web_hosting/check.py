"""Prove that a web hosting plan answers to the names of its site.

    casebook-web-hosting ADDRESS NAME...

Asks the plan's web server itself, so that names need not be in DNS yet.
"""

import http.client
import sys

SECONDS = 20


def trouble(address: str, name: str, port: int = 80) -> str | None:
    """What is wrong with a name; None if the site answers to it."""
    connection = http.client.HTTPConnection(address, port, timeout=SECONDS)
    try:
        connection.request("GET", "/", headers={"Host": name})
        status = connection.getresponse().status
    except OSError as error:
        return f"{name}: {address} does not answer ({error}); check the plan's address in the manager"
    finally:
        connection.close()
    if status < 400:
        return None
    return f"{name}: {address} answers with status {status}; attach the name to the plan (Multisite in the manager)"


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    address, *names = sys.argv[1:]
    if troubles := list(filter(None, (trouble(address, name) for name in names))):
        sys.exit("\n".join(troubles))
    print(f"{address} answers to {', '.join(names)}")


if __name__ == "__main__":
    main()
