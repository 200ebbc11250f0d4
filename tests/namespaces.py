"""Network namespaces of a test: they go when it ends, however it ends."""

import subprocess

# Its standard input ends with the process that holds the other end, also with one that is killed.
SWEEP = """
cat > /dev/null
for name in $(ip netns list | cut --delimiter=' ' --fields=1); do
    case $name in
    "$1" | "$1"-*)
        ip netns pids "$name" | xargs --no-run-if-empty kill -KILL
        ip netns delete "$name"
        ;;
    esac
done
"""


class Namespaces:
    """Those named LABEL or LABEL-..., whoever makes them; what runs in them goes with them."""

    def __init__(self, label: str) -> None:
        self.sweeper = subprocess.Popen(
            ["sh", "-c", SWEEP, "sweep", label], stdin=subprocess.PIPE, start_new_session=True
        )

    def close(self) -> None:
        self.sweeper.communicate()
