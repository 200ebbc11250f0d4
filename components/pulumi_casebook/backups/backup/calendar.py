"""Calendar expressions of systemd timers, checked before anything is declared."""

import functools
import os
import re
import shutil
import subprocess
import zoneinfo
from typing import Annotated

from pydantic import AfterValidator

SHORTHANDS = (
    "minutely", "hourly", "daily", "weekly", "monthly", "quarterly", "semiannually", "annually", "yearly",
)  # fmt: skip
_DAY_NAMES = "Mon(day)?|Tue(sday)?|Wed(nesday)?|Thu(rsday)?|Fri(day)?|Sat(urday)?|Sun(day)?"
_WEEKDAYS = re.compile(rf"({_DAY_NAMES})((\.\.|-|,)({_DAY_NAMES}))*,?", re.IGNORECASE)
_ITEM = re.compile(
    r"(\*|(?P<first>[0-9]+(\.[0-9]{1,6})?)(\.\.(?P<last>[0-9]+(\.[0-9]{1,6})?))?)(/(?P<step>[0-9]+(\.[0-9]{1,6})?))?"
)
_YEAR, _MONTH, _DAY = (0, 2199), (1, 12), (1, 31)
_HOUR, _MINUTE, _SECOND = (0, 23), (0, 59), (0, 60)
_DATES = ((_YEAR, _MONTH, _DAY), (_MONTH, _DAY))
_TIMES = ((_HOUR, _MINUTE, _SECOND), (_HOUR, _MINUTE))

HELP = (
    f"not a calendar expression of systemd; use {', '.join(SHORTHANDS)}, or weekdays, date, time and time zone such as "
    "'*-*-* 03:15:00', 'Mon..Fri 22:00 Europe/Paris' or '*:0/30' (systemd-analyze calendar explains one)"
)


def calendar(value: str) -> str:
    """The expression itself if systemd takes it, and it ever comes.

    systemd itself is asked where the program runs beside one; elsewhere what systemd.time(7) says is read here:
    [weekdays] [year-month-day] [hour:minute[:second]] [time zone].
    """
    if not value.isprintable() or len(value) > 200 or value != value.strip() or value.startswith("-"):
        raise ValueError(HELP)
    answer = _systemd(value, os.environ.get("PATH", ""))
    if not (readable(value) if answer is None else answer):
        raise ValueError(HELP)
    return value


@functools.cache
def _systemd(value: str, path: str) -> bool | None:
    """Whether systemd takes it, and it comes again; None where there is none to ask."""
    if not (program := shutil.which("systemd-analyze", path=path)):
        return None
    done = subprocess.run([program, "calendar", value], capture_output=True, text=True, env={"PATH": path, "LANG": "C"})
    return done.returncode == 0 and "Next elapse: never" not in done.stdout


def readable(value: str) -> bool:
    """Whether it is what systemd.time(7) describes."""
    if not value.split():
        return False
    *words, last = value.split()
    if last == "UTC" or last in zoneinfo.available_timezones():
        last = words.pop() if words else ""
    words.append(last)
    if len(words) == 1 and last.lower() in SHORTHANDS:
        return True
    weekdays = words[:1] if _WEEKDAYS.fullmatch(words[0]) else []
    rest = words[len(weekdays) :]
    dates = [word for word in rest if "-" in word][:1]
    times = [word for word in rest if ":" in word][:1]
    return (
        bool(words != [""])
        and rest == dates + times
        and all([*(_valid(word, "-", _DATES) for word in dates), *(_valid(word, ":", _TIMES) for word in times)])
    )


def _valid(word: str, separator: str, forms: tuple[tuple[tuple[int, int], ...], ...]) -> bool:
    """Whether the word has the parts of one of the forms, each within its limits."""
    parts = word.split(separator)
    return any(
        len(parts) == len(form) and all(_part(part, *limits) for part, limits in zip(parts, form, strict=True))
        for form in forms
    )


def _part(part: str, low: int, high: int) -> bool:
    for item in part.split(","):
        found = _ITEM.fullmatch(item)
        if not found or (found["step"] and not float(found["step"])):
            return False
        numbers = [float(found[name]) for name in ("first", "last") if found[name]]
        if any(not low <= number <= high for number in numbers) or numbers != sorted(numbers):
            return False
    return True


# When a timer runs.
Calendar = Annotated[str, AfterValidator(calendar)]
