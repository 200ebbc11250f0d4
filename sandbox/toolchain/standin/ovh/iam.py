"""Service accounts, and the policies that say what they may do."""

from sandbox.toolchain.standin.ovh.client import Api, ResourceNotFoundError, path
from sandbox.toolchain.standin.ovh.rest import Rest
from sandbox.toolchain.standin.ovh.rules import among, hashed
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
        def listed(name: str, key: str) -> list[Values] | None:
            return [{key: one} for one in hashed(inputs.get(name) or [], ";")] or None

        actions = {"allow": "allows", "except": "excepts", "deny": "denies"}
        optional = {name: inputs[name] for name in ("conditions", "description", "expiredAt") if inputs.get(name)}
        return {
            "name": inputs["name"],
            "identities": hashed(inputs["identities"], ";"),
            "resources": listed("resources", "urn"),
            "permissions": {name: listed(plural, "action") for name, plural in actions.items()},
            "permissionsGroups": listed("permissionsGroups", "urn"),
            **optional,
        }

    def look(self, api: Api, values: Values) -> Values | None:
        """One that is gone is an error, for the real plugin too."""
        try:
            return super().look(api, values)
        except ResourceNotFoundError as error:
            raise RuntimeError(str(error)) from error

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
        autonamed=True,
        checks={"flow": among("AUTHORIZATION_CODE", "CLIENT_CREDENTIALS")},
    ),
    "Iam/policy:Policy": Policy(
        "iam",
        "Policy",
        base="/v2/iam/policy",
        autonamed=True,
        number="id",
        import_id="{id}",
        replace=(),
        sets=("allows", "denies", "excepts", "identities", "permissionsGroups", "resources"),
    ),
}
