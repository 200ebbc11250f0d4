"""Faults of one machine, each seen to have happened before its block runs, and mended after it.

They are brought about over SSH, as an operator would test it on a real account; only what has lost its power is
switched on again through the account's API. What ends by itself (a frozen or cut-off machine) is
ended by a timer on the machine.
"""

import contextlib
import functools
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from drills.drill import NotSeen
from drills.patience import seconds_until
from stacks.deployed_stack import CommandFailed, DeployedStack

# At the devices themselves: what keepalived says by ARP passes no other hook.
CUT = """n=0
for device in /sys/class/net/*; do
    n=$((n + 1)); device=${device##*/}
    [ $device = lo ] || for hook in ingress egress; do
        echo "add chain netdev drill $hook$n { type filter hook $hook device \\"$device\\" priority 0; policy drop; }"
    done
done | { echo add table netdev drill; cat; } | nft -f -
"""
Fault = Callable[[DeployedStack], AbstractContextManager[float]]
WAYS = ("loses power", "freezes", "is cut off")  # in which a whole machine is lost
FULL = "has a full disk"
# Of a way between two that leads in one direction only: what is lost of it, and where.
HEARS, IS_HEARD = "hears", "is heard"
HOOKS = {HEARS: ("prerouting", "saddr"), IS_HEARD: ("postrouting", "daddr")}
# How it is parted from others alone, in words around them: for how long, and what is lost.
PARTINGS = {
    "is cut from {} alone": (25, (HEARS, IS_HEARD)),
    "does not hear {}": (25, (HEARS,)),
    "is not heard by {}": (25, (IS_HEARD,)),
    "is cut for 3 s from {} alone": (3, (HEARS, IS_HEARD)),
}
LOGINS = 8  # at once: a gateway's sshd refuses some when more than ten have not logged in yet (MaxStartups)
FILL = "/var/tmp/drill-fill"  # noqa: S108 (a machine's own, made and removed by root)


def answers(stack: DeployedStack, machine: str) -> bool:
    """Whether somebody who logs in comes as far as a command, within seconds."""
    try:
        return stack.on(machine, "echo here", timeout=8).strip() == "here"
    except (CommandFailed, subprocess.TimeoutExpired):
        return False


def see_silent(stack: DeployedStack, machine: str, how: str, at_most: float) -> None:
    """NotSeen, if whoever logs in still comes as far as a command."""
    seconds_until(lambda: not answers(stack, machine), f"{machine} {how}", at_most, every=0.2)


@contextlib.contextmanager
def power_loss(stack: DeployedStack, machine: str) -> Iterator[float]:
    """Off at once: nothing is shut down in order, nothing is flushed. Gives when it happened; on again after it.

    Nobody but the account's owner switches a machine on: that is what it needs of an operator.
    """
    with power_loss_of_all(stack, [machine]) as moment:
        yield moment


@contextlib.contextmanager
def power_loss_of_all(stack: DeployedStack, machines: Sequence[str]) -> Iterator[float]:
    """The same of several machines within a second or two. None of them may be the way to another."""
    boots = {machine: boot_id(stack, machine) for machine in machines}

    def switch_off(machine: str) -> float:
        return soon(stack, machine, "systemctl poweroff --force --force", max(1.0, at - time.time()))

    def is_back(machine: str) -> float:
        def booted() -> bool:
            return answers(stack, machine) and boot_id(stack, machine) != boots[machine]

        return seconds_until(booted, f"{machine} on again", 180 + 20 * len(machines))

    at = time.time() + len(machines) / 4
    with ThreadPoolExecutor(LOGINS) as each:
        try:
            moments = list(each.map(switch_off, machines))
            list(each.map(lambda machine: see_silent(stack, machine, "without power", 30), machines))
            yield min(moments)
        finally:
            for machine in machines:
                stack.switch_on(machine)
            list(each.map(is_back, machines))


def boot_id(stack: DeployedStack, machine: str) -> str:
    """What differs after each boot: when PID 1 began, in the container of a sandbox too."""
    return stack.on(machine, "stat -c %Y.%i /proc/1; systemctl show --property=UserspaceTimestampMonotonic --value")


@contextlib.contextmanager
def killed(stack: DeployedStack, machine: str, unit: str) -> Iterator[float]:
    """SIGKILL to every process of a unit; systemd, or nobody, starts it again. Gives when it happened."""
    with all_killed(stack, [machine], unit) as moment:
        try:
            yield moment
        finally:
            stack.on(machine, f"systemctl is-active --quiet {unit} || sudo systemctl start {unit}")


@contextlib.contextmanager
def all_killed(stack: DeployedStack, machines: Sequence[str], unit: str) -> Iterator[float]:
    """The same of several machines within a second or two; it is up to them whether it runs again after the block."""

    def process(machine: str) -> str:
        return stack.on(machine, f"systemctl show --property=MainPID --value {unit}").strip()

    def kill_at_once(machine: str) -> float:
        stack.on(machine, f"sudo systemctl kill --signal=KILL {unit}")
        return time.time()

    with ThreadPoolExecutor(LOGINS) as each:
        before = dict(zip(machines, each.map(process, machines), strict=True))
        for machine, one in before.items():
            if one in ("", "0"):
                raise NotSeen(f"{unit} of {machine} does not run, so it cannot be killed")
        moments = list(each.map(kill_at_once, machines))
        for machine, one in zip(machines, each.map(process, machines), strict=True):
            if one == before[machine]:
                raise NotSeen(f"{unit} of {machine} still has process {one} after SIGKILL")
    yield min(moments)


@contextlib.contextmanager
def frozen(stack: DeployedStack, machine: str, seconds: int) -> Iterator[float]:
    """No process but PID 1 runs, while the kernel still takes connections. Thaws by itself after `seconds`."""
    moment = soon(stack, machine, f"kill -STOP -1; sleep {seconds}; kill -CONT -1")
    with gone(stack, machine, "frozen", seconds):
        yield moment


@contextlib.contextmanager
def cut_off(stack: DeployedStack, machine: str, seconds: int) -> Iterator[float]:
    """Every link of the machine is cut, in both directions; they are joined again by themselves after `seconds`."""
    moment = soon(stack, machine, f"{CUT}sleep {seconds}; nft delete table netdev drill")
    with gone(stack, machine, "cut off", seconds):
        yield moment


@contextlib.contextmanager
def parted(
    stack: DeployedStack, machine: str, addresses: Sequence[str], seconds: int, sides: Sequence[str] = (HEARS, IS_HEARD)
) -> Iterator[float]:
    """Nothing passes between a machine, or what it passes on, and some addresses; everybody else reaches it as before.

    sides  what of that is lost: one of them alone is a way that leads in one direction

    Ends by itself after `seconds`.
    """
    elements = ", ".join(addresses)
    chains = "\n".join(
        f"chain {hook} {{ type filter hook {hook} priority -350; ip {side} {{ {elements} }} counter drop; }}"
        for hook, side in map(HOOKS.__getitem__, sides)
    )
    table = f"nft -f - <<X\ntable inet parted {{\n{chains}\n}}\nX\n"
    moment = soon(stack, machine, f"{table}sleep {seconds}; nft delete table inet parted")

    def there() -> str:
        return stack.on(machine, "sudo nft list table inet parted 2>/dev/null || true")

    def dropping() -> bool:
        return any(number != "0" for number in re.findall(r"packets (\d+)", there()))

    seconds_until(dropping, f"{machine} dropping what comes from or goes to {elements}", 12, every=0.2)
    try:
        yield moment
    finally:
        seconds_until(lambda: not there(), f"{machine} parted no more", seconds + 30)


@contextlib.contextmanager
def full_disk(stack: DeployedStack, machine: str, seconds: int) -> Iterator[float]:
    """Not a byte is left on the machine's disk. There is room again by itself after `seconds`."""
    left = "df --output=avail --block-size=1K / | tail -1"
    # Most of it is only set aside, which takes no time; the rest is written.
    fill = f"fallocate --length $(($({left}) - 65536))K {FILL} && head --bytes=256M /dev/zero >{FILL}.rest"

    def room() -> int:
        return int(stack.on(machine, left))

    before = room()
    moment = soon(stack, machine, f"{fill}; sleep {seconds}; rm -f {FILL} {FILL}.rest")
    seconds_until(lambda: room() < 1024, f"{machine} with a full disk", 30)
    try:
        yield moment
    finally:
        seconds_until(lambda: room() > before // 2, f"{machine} with room on its disk", seconds + 60)


def soon(stack: DeployedStack, machine: str, script: str, seconds: float = 1) -> float:
    """Run a script on the machine when this login is over, whatever becomes of the way to it; when, by its clock: a
    fraction of a second too early, for it has to be started."""
    stack.on(machine, "sudo tee /run/drill >/dev/null", stdin=script)
    timer = f"sudo systemd-run --quiet --on-active={seconds:.1f} --timer-property=AccuracySec=100ms sh /run/drill"
    return float(stack.on(machine, f"date +%s.%N; {timer}")) + seconds


@contextlib.contextmanager
def gone(stack: DeployedStack, machine: str, how: str, seconds: int) -> Iterator[None]:
    """For something that ends by itself: seen to have begun, and in the end seen to be over."""
    see_silent(stack, machine, how, 12)
    try:
        yield
    finally:
        seconds_until(lambda: answers(stack, machine), f"{machine} back after it was {how}", seconds + 30)


def kill(machine: str, unit: str) -> Fault:
    return functools.partial(killed, machine=machine, unit=unit)


def full(machine: str, seconds: int) -> Fault:
    return functools.partial(full_disk, machine=machine, seconds=seconds)


def way(how: str, seconds: int = 25) -> Callable[[str], Fault]:
    """One of `ways`, for a machine that is yet to be found."""
    return lambda machine: ways(machine, seconds)[how]


def has_killed(unit: str) -> str:
    """In words that are the same with the next release: php8.4-fpm is php-fpm."""
    return f"has {re.sub(r'[0-9.]+', '', unit)} killed"


def every_way(unit: str, seconds: int = 25) -> dict[str, Callable[[str], Fault]]:
    """How a machine that is yet to be named is broken: its daemon, as a whole, its disk; in words that follow it."""
    return {
        has_killed(unit): lambda machine: kill(machine, unit),
        **{how: way(how, seconds) for how in WAYS},
        FULL: lambda machine: full(machine, seconds),
    }


def ways(machine: str, seconds: int) -> dict[str, Fault]:
    """How a whole machine is lost, in words that follow its name; what ends by itself does so after `seconds`."""
    found = (
        functools.partial(power_loss, machine=machine),
        functools.partial(frozen, machine=machine, seconds=seconds),
        functools.partial(cut_off, machine=machine, seconds=seconds),
    )
    return dict(zip(WAYS, found, strict=True))
