"""A stack that answers commands from a table, and remembers them."""

from collections.abc import Callable, Mapping
from typing import Any

from architectures.base import Database, Location, Outputs
from stacks.deployed_stack import DeployedStack


class DatabaseOutputs(Outputs):
    database: Database


class FakeStack(DeployedStack[DatabaseOutputs]):
    """`answers`: a part of a command -> what it prints, or what makes that; the first that fits."""

    def __init__(self, machines: Mapping[str, str], answers: Mapping[str, str | Callable[[str], str]]) -> None:
        where = {
            name: Location(public="192.0.2.1", private=address, site="GRA", via=None, kind="instance", service=name)
            for name, address in machines.items()
        }
        database = Database(address="10.0.0.9:3306", name="app", user="app", password="secret")
        super().__init__("site", DatabaseOutputs(machines=where, exposure={}, database=database))
        self.answers, self.asked = answers, list[tuple[str, str]]()

    def on(self, machine: str, command: str, **_: Any) -> str:
        self.asked.append((machine, command))
        for part, answer in self.answers.items():
            if part in command:
                return answer if isinstance(answer, str) else answer(machine)
        return ""
