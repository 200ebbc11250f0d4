"""Additional IP addresses: where a block goes, and what its addresses are called."""

# Class attributes are settings that nobody changes.
# ruff: noqa: RUF012

import ipaddress

from sandbox.toolchain.standin.ovh.client import Api, BadParametersError, path
from sandbox.toolchain.standin.ovh.rest import Rest
from sandbox.toolchain.standin.ovh.rules import BLOCK, IP
from sandbox.toolchain.standin.values import Values


class Move(Rest):
    base, item, import_id, ident, replace, kept = "/ip/{ip}", "", "{ip}", "{ip}", (), ("description",)

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        return self.move(api, inputs, inputs["routedTo"].get("serviceName")) or (
            inputs["ip"],
            self.look(api, inputs) or {},
        )

    def move(self, api: Api, values: Values, target: str | None) -> tuple[str, Values] | None:
        """(task id, answer), or nothing when the block is there already."""
        where = path(self.base, values)
        if ((api.get(where)["routedTo"] or {}).get("serviceName") or None) == (target or None):
            return None
        task = api.post(where + "/move", {"to": target}) if target else api.post(where + "/park")
        if task["status"] != "done":
            api.settle(
                f"{where}/task/{task['taskId']}",
                ("init", "todo", "doing"),
                ("done",),
                f"task {task['taskId']} of {values['ip']}",
                5,
            )
        return str(task["taskId"]), {**api.get(where), "taskStatus": "done", "taskStartDate": task["startDate"]}

    def change(self, api: Api, values: Values, inputs: Values, old: Values) -> Values:
        done = self.move(api, values, inputs["routedTo"].get("serviceName"))
        number, answer = done or (None, self.look(api, values) or {})
        return {**answer, "newId": number, "routedTo": answer["routedTo"] or old.get("routedTo")}

    def remove(self, api: Api, values: Values, inputs: Values) -> None:
        self.move(api, {**inputs, **values}, None)

    def view(self, answer: Values, inputs: Values) -> Values:
        result = super().view(answer, inputs)
        block = ipaddress.ip_network(answer["ip"])
        result["serviceName"] = "ip-" + (str(block[0]) if block.num_addresses == 1 else str(block))
        result["ip"] = inputs.get("ip") or answer["ip"]
        if answer.get("routedTo") is None:
            result["routedTo"] = inputs.get("routedTo")
        else:
            result["routedTo"] = {"serviceName": answer["routedTo"]["serviceName"]}
        if start := result.get("taskStartDate"):
            result["taskStartDate"] = start.replace("+00:00", "Z")
        return result


class Reverse(Rest):
    base, item, number, ident = "/ip/{ip}/reverse", "/{ReverseIp}", "ipReverse", "{id}"
    body, wire = "ReverseIp ReverseValue", {"ReverseIp": "ipReverse", "ReverseValue": "reverse"}
    import_id, import_ident, replace = "{ip}|{ReverseIp}", "{ReverseIp}", "*"
    checks = {"ip": BLOCK, "ReverseIp": IP}

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        """A name that does not lead to the address yet is refused: DNS may take a minute."""
        made = api.insist(lambda: api.post(path(self.base, inputs), self.request(inputs)), BadParametersError, 1)
        number = made[self.number]
        return number, self.kept_safe(number, inputs, lambda: self.look(api, {**inputs, "id": number}))


RESOURCES: dict[str, Rest] = {"Ip/move:Move": Move("ip", "Move"), "Ip/reverse:Reverse": Reverse("ip", "Reverse")}
