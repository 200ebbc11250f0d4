"""Calendar expressions of systemd timers, checked before anything is declared."""

import re

SHORTHANDS = ("hourly", "daily", "weekly", "monthly", "quarterly", "semiannually", "yearly")
_DAYS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_WEEKDAYS = re.compile(rf"({_DAYS})((\.\.|,)({_DAYS}))*")
_ITEM = re.compile(r"(\*|(?P<first>[0-9]+)(\.\.(?P<last>[0-9]+))?)(/(?P<step>[1-9][0-9]*))?")
_YEAR, _MONTH, _DAY = (1970, 2199), (1, 12), (1, 31)
_HOUR, _MINUTE, _SECOND = (0, 23), (0, 59), (0, 59)
_DATES = ((_YEAR, _MONTH, _DAY), (_MONTH, _DAY))
_TIMES = ((_HOUR, _MINUTE, _SECOND), (_HOUR, _MINUTE))

HELP = (
    f"not a calendar expression of systemd; use {', '.join(SHORTHANDS)}, or weekdays, date and time such as "
    "'*-*-* 03:15:00', 'Mon..Fri 22:00' or '*:0/30' (systemd-analyze calendar explains one)"
)


def calendar(value: str) -> str:
    """The expression itself if it is one of systemd.time(7): [weekdays] [year-month-day] [hour:minute[:second]]."""
    if value in SHORTHANDS:
        return value
    words = value.split(" ")
    weekdays = words[:1] if _WEEKDAYS.fullmatch(words[0]) else []
    dates = [word for word in words if "-" in word][:1]
    times = [word for word in words if ":" in word][:1]
    if words != weekdays + dates + times or not all(
        [*(_valid(word, "-", _DATES) for word in dates), *(_valid(word, ":", _TIMES) for word in times)]
    ):
        raise ValueError(HELP)
    return value


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
        if not found:
            return False
        numbers = [int(found[name]) for name in ("first", "last") if found[name]]
        if any(not low <= number <= high for number in numbers) or numbers != sorted(numbers):
            return False
    return True
