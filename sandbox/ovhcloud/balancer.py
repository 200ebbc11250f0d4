"""The live side of an IP Load Balancing."""
from .store import Object


class Monitor:
    """What the balancers know of their servers; without an estate nothing has been probed."""

    def server_state(self, service: str, server: int) -> list[Object]:
        """The API's `serverState`: one item for each instance of the balancer."""
        return []
