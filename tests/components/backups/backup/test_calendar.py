"""Calendar expressions: systemd is asked, and where there is none what is read here accepts nothing that it refuses."""

import subprocess

import pytest

from pulumi_casebook.backups.backup.calendar import calendar, readable

GOOD = [
    "daily",
    "hourly",
    "Mon",
    "Sat,Sun 04:00",
    "Mon..Fri 22:00",
    "*-*-* 03:15:00",
    "*-*-01 00:00",
    "*-01,07-01",
    "01-31 12:00",
    "*:0/30",
    "Mon *-*-1..7 06:30:15",
    "00..23/2:05",
    "minutely",
    "Mon-Fri 22:00",
    "*-*-* 03:15:00 Europe/Paris",
    "daily UTC",
    "Monday 04:00",
    "*:*:0.5",
]
BAD = [
    "",
    "noon",
    "25:00",
    "12:61",
    "*-13-01",
    "3:00 4:00",
    "03:15:00 *-*-*",
    "Mo",
    "*-*-* 03:15 Paris",
    "5..2:00",
    "a:b",
    "*-*-* 03:15\n",
    "--version",
    " daily",
    "*:0/0",
    "daily; reboot",
    "9" * 5000,
]


SYSTEMD = [True, False]


@pytest.fixture(name="systemd", params=SYSTEMD, ids=["asked", "elsewhere"])
def _systemd(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setenv("PATH", "/nowhere")


@pytest.mark.usefixtures("systemd")
@pytest.mark.parametrize("expression", GOOD)
def test_what_systemd_accepts(expression: str) -> None:
    assert calendar(expression) == expression


@pytest.mark.usefixtures("systemd")
@pytest.mark.parametrize("expression", BAD)
def test_what_is_refused_is_told_how_to_write_it(expression: str) -> None:
    with pytest.raises(ValueError, match="not a calendar expression of systemd; use minutely, hourly, daily"):
        calendar(expression)


def test_what_never_comes_again_is_refused() -> None:
    with pytest.raises(ValueError, match="not a calendar expression of systemd"):
        calendar("2001-01-01 00:00")


def test_systemd_agrees() -> None:
    assert all(map(readable, GOOD))
    done = subprocess.run(["systemd-analyze", "calendar", *GOOD], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
