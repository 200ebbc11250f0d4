"""What stands behind the API: machines and wires, an OpenStack, the balancers' own view. Or nothing at all."""

from dataclasses import dataclass

from .balancer import Monitor
from .openstack import InMemoryOpenStack, OpenStack
from .store import Store
from .tasks import Convergence


@dataclass(frozen=True)
class Backing:
    openstack: OpenStack
    monitor: Monitor
    estate: Convergence | None


def nothing(_: Store) -> Backing:
    """The API alone: nothing but the database changes. Needs no rights and no other process."""
    return Backing(InMemoryOpenStack(), Monitor(), None)
