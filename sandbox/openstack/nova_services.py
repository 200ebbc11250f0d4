"""nova-conductor, nova-scheduler and the nova-computes inside the API's process."""

# ruff: noqa: ARG005 - the signatures are Nova's
from nova import monkey_patch

monkey_patch.patch("threading")

import shlex  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

import nova.virt.node  # noqa: E402
from nova.scheduler.client import report  # noqa: E402

from sandbox.openstack import nova_driver  # noqa: E402
from sandbox.openstack.configuration import COMPUTE_HOSTS, URL  # noqa: E402
from sandbox.processes import wait_for  # noqa: E402

# compute_driver names a class below nova.virt: sandbox.Driver
sys.modules["nova.virt.sandbox"] = nova_driver
# One request to Placement per instance of the host at every boot and deletion, under the host's lock; the answers
# only serve PCI devices and reshaping.
report.SchedulerReportClient.get_allocations_for_provider_tree = lambda self, context, nodename: {}
# The hosts share this process's state_path: its one identity file is not used (see Driver.get_nodenames_by_uuid).
nova.virt.node.read_local_node_uuid = lambda: "unused"
nova.virt.node.write_local_node_uuid = lambda node_uuid: None


def start() -> list[Any]:
    import nova.conf
    import os_brick
    import os_vif
    from nova import context, objects, service, utils
    from nova.compute import rpcapi as compute
    from nova.conductor import rpcapi as conductor
    from nova.objects import host_mapping
    from nova.scheduler import rpcapi as scheduler
    from oslo_privsep import priv_context

    # A compute host that cannot report itself ends the process.
    wait_for(URL["keystone"], URL["placement"])
    priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
    os_brick.setup(nova.conf.CONF)
    os_vif.initialize()
    objects.Service.enable_min_version_cache()
    create = service.Service.create
    made = [
        create(binary="nova-conductor", topic=conductor.RPC_TOPIC),
        create(binary="nova-scheduler", topic=scheduler.RPC_TOPIC),
    ]
    made += [
        create(binary="nova-compute", host=host, topic=compute.RPC_TOPIC, topic_alt=compute.RPC_TOPIC_ALT)
        for host in COMPUTE_HOSTS
    ]
    for one in made:
        one.start()
    # What "nova-manage cell_v2 discover_hosts" does; nothing to do if they are mapped.
    host_mapping.discover_hosts(context.get_admin_context())
    return made
