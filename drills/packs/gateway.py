"""Gateway: somebody guesses passwords at its door."""

import subprocess
import tempfile
import time

from drills import faults
from drills.drill import Figure, NotSeen
from drills.patience import seconds_until
from stacks.deployed_stack import DeployedStack


def guessed(stack: DeployedStack) -> list[Figure]:
    """From an address that the gateway lets guess: this one, which is let in again after three minutes."""
    where = stack.machines["gateway"].public
    here = stack.on("gateway", "echo $SSH_CONNECTION").split()[0]
    unban = f"fail2ban-client set sshd unbanip {here}"
    stack.on("gateway", f"sudo systemd-run --quiet --on-active=180 --timer-property=AccuracySec=1s {unban}")
    began, guesses = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/key"], check=True)
        client = ["ssh", "-F", "none", "-i", f"{folder}/key", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
        client += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5"]
        while time.monotonic() < began + 120:
            said = subprocess.run([*client, f"root@{where}", "true"], capture_output=True, text=True).stderr
            if "Permission denied" not in said:
                break
            guesses += 1
        else:
            raise NotSeen(f"{guesses} guesses, and no ban")
    banned = time.monotonic() - began
    if here not in said and "refused" not in said and "timed out" not in said:
        raise NotSeen(f"no ban, but {said!r}")
    seconds_until(lambda: faults.answers(stack, "gateway"), "the gateway after the ban", 300)
    return [
        Figure("guesses until the ban", guesses, goal=10),
        Figure("banned after", round(banned, 1), "s", goal=30),
    ]
