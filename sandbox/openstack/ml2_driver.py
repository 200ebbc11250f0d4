"""ML2 mechanism driver: binds every port at once, and tells the fabric about every change.

It also does what absent agents would do: router ports become ACTIVE, and a floating IP is ACTIVE while it is
associated, DOWN otherwise.
"""

# ruff: noqa: ARG002 - the signatures are Neutron's
from typing import Any

from neutron import policy
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import constants as plugins
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api
from neutron_lib.policy import _engine as roles

from sandbox.openstack import keys
from sandbox.shell import wake

# What the fabric turns into bridges, namespaces and rules.
WIRED = (
    resources.NETWORK,
    resources.SUBNET,
    resources.PORT,
    resources.ROUTER,
    resources.ROUTER_GATEWAY,
    resources.ROUTER_INTERFACE,
    resources.FLOATING_IP,
    "port_forwarding",
    resources.SECURITY_GROUP,
    resources.SECURITY_GROUP_RULE,
    resources.ADDRESS_GROUP,
)


class Driver(api.MechanismDriver):
    connectivity = portbindings.CONNECTIVITY_L2

    def initialize(self) -> None:
        # Else the first request makes these, and one that comes meanwhile is taken for a stranger's: its answer has no
        # ports, which the fabric then takes away.
        roles.init()
        policy.init()
        for event in (events.AFTER_CREATE, events.AFTER_UPDATE):
            registry.subscribe(self._floating_ip_changed, resources.FLOATING_IP, event)
        for resource in WIRED:
            for event in (events.AFTER_CREATE, events.AFTER_UPDATE, events.AFTER_DELETE):
                registry.subscribe(self._tell_fabric, resource, event)

    def _tell_fabric(self, resource: str, event: str, trigger: Any, payload: Any = None) -> None:
        wake()

    def bind_port(self, context: Any) -> None:
        for segment in context.segments_to_bind:
            details = {
                portbindings.CAP_PORT_FILTER: True,
                portbindings.VIF_DETAILS_CONNECTIVITY: self.connectivity,
                keys.DETAIL: keys.key(
                    context.current["network_id"],
                    segment[api.NETWORK_TYPE],
                    segment[api.PHYSICAL_NETWORK],
                    segment[api.SEGMENTATION_ID],
                ),
            }
            context.set_binding(
                segment[api.ID], portbindings.VIF_TYPE_OVS, details, status=constants.PORT_STATUS_ACTIVE
            )
            return

    def create_port_postcommit(self, context: Any) -> None:
        self._activate_router_port(context)

    def update_port_postcommit(self, context: Any) -> None:
        self._activate_router_port(context)

    def _activate_router_port(self, context: Any) -> None:
        port = context.current
        waiting = port["status"] != constants.PORT_STATUS_ACTIVE
        if waiting and port["device_owner"] in constants.ROUTER_PORT_OWNERS:
            core = directory.get_plugin()
            core.update_port_status(context._plugin_context, port["id"], constants.PORT_STATUS_ACTIVE)

    def _floating_ip_changed(self, resource: str, event: str, trigger: Any, payload: Any) -> None:
        floating_ip = payload.latest_state
        used = floating_ip.get("fixed_port_id") or floating_ip.get("port_id")
        status = constants.FLOATINGIP_STATUS_ACTIVE if used else constants.FLOATINGIP_STATUS_DOWN
        routers = directory.get_plugin(plugins.L3)
        routers.update_floatingip_status(payload.context.elevated(), payload.resource_id, status)
