"""Service accounts, and the policies that say what they may do."""

from sandbox.toolchain.standin.ovh.client import Api, path
from sandbox.toolchain.standin.ovh.rest import Rest
from sandbox.toolchain.standin.ovh.rules import among
from sandbox.toolchain.standin.values import Values


class OAuth2Client(Rest):
    """Its secret is told once, by the answer that makes it."""

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        made = api.post(self.base, self.request(inputs))
        number = made["clientId"]
        return number, self.kept_safe(number, inputs, lambda: {**made, **(self.look(api, {"id": number}) or {})})

    def request(self, inputs: Values, update: bool = False) -> Values:
        result = super().request(inputs)
        if update:
            del result["flow"]
        return result


class Policy(Rest):
    """Its lists are sent as lists of objects, the actions inside `permissions`."""

    def request(self, inputs: Values, update: bool = False) -> Values:  # noqa: ARG002
        def actions(name: str) -> list[Values] | None:
            return [{"action": one} for one in sorted(inputs.get(name) or [])] or None

        permissions = {"allow": actions("allows"), "except": actions("excepts"), "deny": actions("denies")}
        groups = [{"urn": urn} for urn in sorted(inputs.get("permissionsGroups") or [])]
        return {
            "name": inputs["name"],
            "description": inputs.get("description") or "",
            "identities": sorted(inputs["identities"]),
            "resources": [{"urn": urn} for urn in sorted(inputs["resources"])],
            "permissions": {name: listed for name, listed in permissions.items() if listed},
            **({"permissionsGroups": groups} if groups else {}),
            **({"expiredAt": inputs["expiredAt"]} if inputs.get("expiredAt") else {}),
        }

    def change(self, api: Api, values: Values, inputs: Values, old: Values) -> Values:  # noqa: ARG002
        answer: Values = api.put(path(self.base + self.item, values), self.request(inputs))
        return answer

    def view(self, answer: Values, inputs: Values) -> Values:
        permissions = answer.get("permissions") or {}

        def listed(name: str) -> list[str] | None:
            return sorted(one["action"] for one in permissions.get(name) or []) or None

        flat = {
            **answer,
            "allows": listed("allow"),
            "excepts": listed("except"),
            "denies": listed("deny"),
            "resources": [one["urn"] for one in answer["resources"]],
            "permissionsGroups": [one["urn"] for one in answer.get("permissionsGroups") or []] or None,
        }
        return super().view(flat, inputs)


RESOURCES: dict[str, Rest] = {
    "Me/aPIOAuth2Client:APIOAuth2Client": OAuth2Client(
        "me",
        "APIOAuth2Client",
        base="/me/api/oauth2/client",
        number="clientId",
        import_id="{id}",
        body="callbackUrls description flow name",
        blank={"callbackUrls": []},
        replace=("flow",),
        checks={"flow": among("AUTHORIZATION_CODE", "CLIENT_CREDENTIALS")},
    ),
    "Iam/policy:Policy": Policy(
        "iam",
        "Policy",
        base="/v2/iam/policy",
        number="id",
        import_id="{id}",
        replace=(),
        sets=("allows", "denies", "excepts", "identities", "permissionsGroups", "resources"),
    ),
}
