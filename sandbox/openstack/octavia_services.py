"""octavia-worker, and what stands for octavia-health-manager, inside the API's process."""

from typing import Any


def start() -> Any:
    from octavia.controller.queue.v2 import consumer
    from oslo_config import cfg

    from sandbox.openstack import octavia_driver

    worker = consumer.ConsumerService(0, cfg.CONF)
    worker.run()
    octavia_driver.start_watching()
    return worker
