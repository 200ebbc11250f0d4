"""Tasks: what the API begins at once and finishes later, through the states that OVHcloud documents.

A task is a row of jobs in the store. A job has an effect (a function of the store, registered by name) and may have
subjects: parts of the estate that must match the store before the effect happens. So a task that installs a server
is done when the server has booted, and a process killed in the middle takes the job up again after its restart.
"""

import json
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from sandbox import faults

from .errors import ApiError
from .store import Object, Store, now

Subject = tuple[str, str]  # ("server", "ns31000001.ip-198-18-16-1.eu")
Effect = Callable[..., None]
EFFECTS: dict[str, Effect] = {}
WORKERS = 12  # subjects converged at the same time: they mostly wait for machines to boot
log = logging.getLogger(__name__)


class Convergence(Protocol):
    """What makes one subject match the store. Idempotent: it may be called again after a crash."""

    def converge(self, subject: Subject) -> None: ...
    def subjects(self) -> list[Subject]: ...


def effect(function: Effect) -> Effect:
    """Register a change that a job makes; by name, so that it survives a restart."""
    EFFECTS[function.__name__] = function
    return function


class Tasks:
    """Runs the jobs that have come due. `seconds` is how long a task takes at least, from its start to its end."""

    def __init__(self, store: Store, seconds: float, estate: Convergence | None) -> None:
        self.store, self.least, self.estate = store, seconds, estate
        self.clock = time.time
        self.pool = ThreadPoolExecutor(WORKERS, "estate")
        self.started: set[int] = set()
        self.repairs: list[Future[bool]] = []
        self.troubles: dict[Subject, str] = {}

    @property
    def seconds(self) -> float:
        """How long a task takes that begins now."""
        return self.least + faults.delay.get()

    def later(self, seconds: float, then: Effect, *args: Any) -> None:
        """Let an effect happen after some seconds."""
        self._add(seconds, then, args, ())

    def settle(
        self,
        path: Sequence[object],
        field: str,
        last: str | None,
        failure: str,
        *,
        subjects: Sequence[Subject],
        done_date: str | None = None,
        seconds: float | None = None,
    ) -> None:
        """Give an object its last state (None: remove it) once the subjects match the store, or else `failure`."""
        after = self.seconds if seconds is None else seconds
        self._add(after, finish, (path, field, last, failure, done_date), subjects)

    def _add(self, seconds: float, then: Effect, args: Sequence[Any], subjects: Sequence[Subject]) -> None:
        self.store.db.execute(
            "INSERT INTO jobs (due, effect, args, subjects) VALUES (?, ?, ?, ?)",
            (self.clock() + seconds, then.__name__, json.dumps(args), json.dumps(list(subjects))),
        )

    def run_due(self) -> None:
        """Do what is due; jobs with subjects are handed to the workers."""
        for number, name, args, subjects in self._due():
            if number in self.started:
                continue
            if subjects == "[]" or self.estate is None:
                self._end(number, EFFECTS[name], json.loads(args))
            else:
                self.started.add(number)
                self.pool.submit(self._work, number, EFFECTS[name], json.loads(args), json.loads(subjects))

    def _due(self) -> list[tuple[int, str, str, str]]:
        with self.store.lock:
            return self.store.db.execute(
                "SELECT id, effect, args, subjects FROM jobs WHERE due <= ? ORDER BY due, id", (self.clock(),)
            ).fetchall()

    def _work(self, number: int, then: Effect, args: list[Any], subjects: list[list[str]]) -> None:
        results = [self.converge((kind, subject)) for kind, subject in subjects]
        self._end(number, then if all(results) else failed, args)
        self.started.discard(number)

    def _end(self, number: int, then: Effect, args: list[Any]) -> None:
        """A job's effect and its removal, both or neither. One that cannot happen must not hold up the others."""
        try:
            with self.store.transaction():
                self.store.db.execute("DELETE FROM jobs WHERE id = ?", (number,))
                then(self.store, *args)
        except ApiError:
            log.exception("job %s of %s is given up: what it was for is gone", number, then.__name__)
            with self.store.transaction():
                self.store.db.execute("DELETE FROM jobs WHERE id = ?", (number,))

    def repair(self) -> None:
        """Make the whole estate match the store, as after a crash or a reboot."""
        if self.estate:
            self.repairs = [self.pool.submit(self.converge, subject) for subject in self.estate.subjects()]

    def waiting(self) -> int:
        """How much of the estate still has to be made to match."""
        with self.store.lock:
            jobs: int = self.store.db.execute("SELECT count(*) FROM jobs WHERE subjects != '[]'").fetchone()[0]
        return jobs + sum(not repair.done() for repair in self.repairs)

    def converge(self, subject: Subject) -> bool:
        """Whether the subject now matches the store; what went wrong is kept in `troubles`."""
        try:
            if self.estate:
                self.estate.converge(subject)
        except Exception as error:
            log.exception("%s %s does not match the store", *subject)
            self.troubles[subject] = str(error)
            return False
        self.troubles.pop(subject, None)
        return True

    def start(
        self,
        path: Sequence[object],
        body: Object,
        *,
        states: Sequence[str] = ("todo", "doing", "done"),
        then: Effect | None = None,
        args: Sequence[Any] = (),
        subjects: Sequence[Subject] = (),
        field: str = "status",
        failure: str = "error",
        done_date: str | None = None,
        vanish: bool = False,
    ) -> Object:
        """Store a task that walks through `states`; before it reaches the last one `then` happens in the store.

        subjects   what must match the store, as `then` left it, before the last state is reached
        failure    the state of a task whose subjects could not be made to match
        done_date  the field that takes the time of the end
        vanish     a finished task is removed instead of reaching a last state (vRack tasks; a network being deleted)
        """
        self.store.put({**body, field: states[0]}, *path)
        walked, last = (states, None) if vanish else (states[:-1], states[-1])
        for number, state in enumerate(walked[1:], 1):
            self.later(self.seconds * number / len(walked), set_field, path, field, state)
        if then:
            self.later(self.seconds, then, *args)
        self.settle(path, field, last, failure, subjects=subjects, done_date=done_date)
        return {**body, field: states[0]}


@effect
def set_field(store: Store, path: list[object], field: str, value: object) -> None:
    if (found := store.get(*path)) is not None:
        store.put({**found, field: value}, *path)


@effect
def finish(
    store: Store, path: list[object], field: str, last: str | None, _failure: str, done_date: str | None
) -> None:
    found = store.get(*path)
    if last is None:
        store.delete(*path)
    elif found is not None:
        ended = {"progress": 100} if "progress" in found else {}
        store.put({**found, **ended, field: last, **({done_date: now()} if done_date else {})}, *path)


def failed(
    store: Store, path: list[object], field: str, _last: str | None, failure: str, _done_date: str | None
) -> None:
    """The other end of a task: its subjects could not be made to match the store."""
    set_field(store, path, field, failure)
