"""A test that is killed leaves no network namespace, and nothing that runs in one."""

import os
import subprocess
import sys
from pathlib import Path

from tests.waiting import until

TEST = """
import subprocess, sys, time
from tests.namespaces import Namespaces
label = sys.argv[1]
kept = Namespaces(label)
for name in ("a", "b"):
    subprocess.run(["ip", "netns", "add", f"{label}-{name}"], check=True)
inside = subprocess.Popen(["ip", "netns", "exec", f"{label}-a", "sleep", "600"])
print(inside.pid, flush=True)
time.sleep(600)
"""


def there(label: str) -> list[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in listed.splitlines() if line.startswith(label)]


def test_namespaces_of_a_killed_test_go() -> None:
    label = f"swept{os.getpid()}"
    other = f"{label}x-a"
    subprocess.run(["ip", "netns", "add", other], check=True)
    test = subprocess.Popen([sys.executable, "-c", TEST, label], stdout=subprocess.PIPE, text=True)
    try:
        assert test.stdout
        inside = int(test.stdout.readline())
        assert sorted(there(f"{label}-")) == [f"{label}-a", f"{label}-b"]
        test.kill()
        test.wait()
        until(lambda: not there(f"{label}-"), seconds=20)
        until(lambda: not Path(f"/proc/{inside}/status").exists(), seconds=20)
        assert there(other) == [other]
    finally:
        test.kill()
        subprocess.run(["ip", "netns", "delete", other], check=True)
