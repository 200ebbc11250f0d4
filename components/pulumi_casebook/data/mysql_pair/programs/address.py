"""The service address: who holds it, taking it, giving it back."""

import json
import socket
import time

from pulumi_casebook.machines.configuration.programs.runtime import Refused, run


class ServiceAddress:
    """The address that clients use, on the interface that carries this machine's planned address."""

    def __init__(self, address: str, own: str) -> None:
        self.address, self.own = address, own

    def interface(self) -> str:
        shown = json.loads(run("ip", "-json", "-4", "address", "show", "to", f"{self.own}/32") or "[]")
        names: list[str] = [link["ifname"] for link in shown if link]
        if not names:
            raise Refused(f"no interface has the address {self.own}; is the private network up?")
        return names[0]

    def held(self) -> bool:
        return self.address in run("ip", "-4", "-oneline", "address", "show", "to", f"{self.address}/32")

    def taken_elsewhere(self) -> bool:
        """Whether another machine answers for the address (RFC 5227: an ARP probe)."""
        with arp_socket(self.interface()) as link:
            own = link.getsockname()[4]
            link.send(arp(own, 1, own, "0.0.0.0", self.address))  # noqa: S104 (a probe has no sender address)
            deadline = time.monotonic() + 1
            while (left := deadline - time.monotonic()) > 0:
                link.settimeout(left)
                try:
                    frame = link.recv(64)
                except TimeoutError:
                    break
                reply = frame[20:22] == b"\0\2" and frame[28:32] == socket.inet_aton(self.address)
                if reply and frame[22:28] != own:
                    return True
        return False

    def take(self) -> None:
        if self.held():
            return
        if self.taken_elsewhere():
            raise Refused(f"another machine answers for {self.address}; it has to give the address back first")
        interface = self.interface()
        run("ip", "address", "add", f"{self.address}/32", "dev", interface)
        with arp_socket(interface) as link:
            own = link.getsockname()[4]
            for _ in range(3):  # gratuitous ARP: neighbours learn the new owner
                link.send(arp(own, 1, own, self.address, self.address))

    def drop(self) -> None:
        if self.held():
            run("ip", "address", "delete", f"{self.address}/32", "dev", self.interface())


def arp_socket(interface: str) -> socket.socket:
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    link.bind((interface, 0x0806))
    return link


def arp(source: bytes, operation: int, hardware: bytes, sender: str, target: str) -> bytes:
    """A broadcast ARP frame over Ethernet (RFC 826)."""
    header = b"\xff" * 6 + source + b"\x08\x06"
    kind = b"\0\1\x08\0\x06\x04" + operation.to_bytes(2, "big")
    return header + kind + hardware + socket.inet_aton(sender) + b"\0" * 6 + socket.inet_aton(target)
