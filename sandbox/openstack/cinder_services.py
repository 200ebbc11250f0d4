"""cinder-scheduler and cinder-volume inside the API's process, as native threads."""

import os

os.environ["OS_CINDER_DISABLE_EVENTLET_PATCHING"] = "true"
from cinder import monkey_patch

monkey_patch.patch("threading")

from typing import Any  # noqa: E402


def start() -> list[Any]:
    import shlex

    import os_brick
    from cinder import service, utils
    from cinder.common import constants
    from oslo_config import cfg
    from oslo_privsep import priv_context

    conf = cfg.CONF
    priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
    os_brick.setup(conf)
    made = []
    for backend in conf.enabled_backends:
        conf.register_opt(cfg.StrOpt("backend_host"), group=backend)
        made.append(
            service.Service.create(
                host=f"{conf.host}@{backend}",
                service_name=backend,
                binary=constants.VOLUME_BINARY,
                coordination=True,
            )
        )
    made.append(service.Service.create(binary="cinder-scheduler"))
    for one in made:  # volumes first: the scheduler waits for their reports
        one.start()
    return made
