"""Swift's servers and its object expirer in one process.

python -m sandbox.openstack.serve_swift CONFIGURATION:PORT...
"""

import eventlet

eventlet.monkey_patch()

import pathlib  # noqa: E402
import sys  # noqa: E402

from eventlet import wsgi as server  # noqa: E402
from swift.common import utils  # noqa: E402

from sandbox import DATA, ETC, faults  # noqa: E402
from sandbox.openstack.configuration import RINGS  # noqa: E402

utils.SWIFT_CONF_FILE = str(ETC / "swift.conf")

from swift.common import wsgi  # noqa: E402


def expire(configuration: dict[str, str]) -> None:
    """The container updater (it feeds the queue's account), then the object expirer."""
    from swift.container.updater import ContainerUpdater
    from swift.obj.expirer import ObjectExpirer

    daemons = [ContainerUpdater(configuration), ObjectExpirer(configuration)]
    while True:
        eventlet.sleep(float(configuration["interval"]))
        for daemon in daemons:
            try:
                daemon.run_once()
            except Exception as error:  # the next round may succeed
                print(type(daemon).__name__, error, flush=True)


class NoLog:
    def write(self, *_: object) -> None:
        pass


def main() -> None:
    jobs = []
    for argument in sys.argv[1:]:
        file, port = argument.rsplit(":", 1)
        socket = eventlet.listen(("127.0.0.1", int(port)), backlog=512)
        name = pathlib.Path(file).stem
        utils.get_logger(wsgi.appconfig(file), name)
        application = faults.wsgi(wsgi.loadapp(file, global_conf={"log_name": name}))
        options = {
            "max_size": 1024,
            "protocol": wsgi.SwiftHttpProtocol,
            "capitalize_response_headers": False,
            "socket_timeout": 60,
        }
        jobs.append(eventlet.spawn(server.server, socket, application, NoLog(), **options))
    settings = {
        "interval": "3",
        "swift_dir": str(RINGS),
        "log_level": "ERROR",
        "devices": str(DATA / "swift"),
        "mount_check": "false",
        "internal_client_conf_path": str(ETC / "swift-internal.conf"),
        "recon_cache_path": str(DATA / "swift"),
    }
    jobs.append(eventlet.spawn(expire, settings))
    for job in jobs:
        job.wait()


if __name__ == "__main__":
    main()
