"""Everything else that the account owns: vRacks, servers, VPS, networks, buckets, zones, addresses."""

import json
import re
from datetime import datetime
from typing import Any

import pytest
from ovh.exceptions import BadParametersError, ResourceConflictError, ResourceNotFoundError
from starlette.applications import Starlette

from sandbox.ovhcloud import storage, zones
from sandbox.ovhcloud.machines import machine_of
from sandbox.ovhcloud.openstack import StoredObject
from sandbox.ovhcloud.store import Object

from .conftest import BALANCER, PROJECT, SERVER, VPS, Client, wait

VRACK, DEDICATED = "/vrack/pn-1001", f"/dedicated/server/{SERVER}"
CLOUD, VM, ZONE = f"/cloud/project/{PROJECT}", f"/vps/{VPS}", "/domain/zone/sofoot.example"
STORAGE = f"{CLOUD}/region/GRA/storage"


def gone(call: Client, path: str) -> bool:
    try:
        call("GET", path)
    except ResourceNotFoundError:
        return True
    return False


def vrack_interface(call: Client) -> str:
    found: list[str] = call("GET", f"{DEDICATED}/virtualNetworkInterface?mode=vrack")
    return found[0]


def attach(call: Client, kind: str, target: str) -> None:
    call("POST", f"{VRACK}/{kind}", {{"cloudProject": "project"}.get(kind, kind): target})
    wait()


class TestVrack:
    def test_a_task_vanishes_when_it_is_done(self, call: Client) -> None:
        task = call("POST", f"{VRACK}/cloudProject", {"project": PROJECT})
        assert (task["status"], task["serviceName"]) == ("init", "pn-1001")
        wait()
        assert gone(call, f"{VRACK}/task/{task['id']}")
        assert call("GET", f"{VRACK}/cloudProject/{PROJECT}") == {"vrack": "pn-1001", "project": PROJECT}
        assert call("GET", f"{CLOUD}/vrack")["id"] == "pn-1001"

    def test_a_thing_is_in_one_vrack_at_most(self, call: Client) -> None:
        attach(call, "ipLoadbalancing", BALANCER)
        with pytest.raises(ResourceConflictError, match="already in vRack pn-1001"):
            call("POST", "/vrack/pn-1002/ipLoadbalancing", {"ipLoadbalancing": BALANCER})

    def test_two_attachments_at_once(self, call: Client) -> None:
        call("POST", f"{VRACK}/cloudProject", {"project": PROJECT})
        with pytest.raises(ResourceConflictError, match="already running"):
            call("POST", "/vrack/pn-1002/cloudProject", {"project": PROJECT})

    def test_an_interface_names_its_vrack(self, call: Client) -> None:
        uuid = vrack_interface(call)
        attach(call, "dedicatedServerInterface", uuid)
        assert call("GET", f"{DEDICATED}/virtualNetworkInterface/{uuid}")["vrack"] == "pn-1001"
        assert call("GET", f"{DEDICATED}/vrack") == ["pn-1001"]
        call("DELETE", f"{VRACK}/dedicatedServerInterface/{uuid}")
        wait()
        assert call("GET", f"{DEDICATED}/virtualNetworkInterface/{uuid}")["vrack"] is None

    def test_a_public_interface_stays_out(self, call: Client) -> None:
        uuid = call("GET", f"{DEDICATED}/virtualNetworkInterface?mode=public")[0]
        with pytest.raises(ResourceNotFoundError):
            call("POST", f"{VRACK}/dedicatedServerInterface", {"dedicatedServerInterface": uuid})

    def test_a_project_with_networks_stays_in(self, call: Client) -> None:
        attach(call, "cloudProject", PROJECT)
        call("POST", f"{CLOUD}/network/private", {"name": "n", "vlanId": 5})
        with pytest.raises(ResourceConflictError, match="private networks"):
            call("DELETE", f"{VRACK}/cloudProject/{PROJECT}")


class TestDedicated:
    def test_a_server_is_delivered_empty_and_off(self, app: Starlette, call: Client) -> None:
        found = call("GET", DEDICATED)
        assert (found["os"], found["powerState"]) == ("none_64.en", "poweroff")
        assert machine_of(app.state.store, SERVER)["on"] is False

    def test_an_installation(self, app: Starlette, call: Client) -> None:
        task = call(
            "POST",
            f"{DEDICATED}/reinstall",
            {
                "operatingSystem": "debian13_64",
                "customizations": {"hostname": "haproxy-1", "sshKey": "ssh-ed25519 AAAA"},
            },
        )
        assert (task["function"], task["status"]) == ("reinstallServer", "init")
        assert call("GET", f"{DEDICATED}/install/status")["progress"]
        wait()
        assert call("GET", f"{DEDICATED}/task/{task['taskId']}")["status"] == "done"
        found = machine_of(app.state.store, SERVER)
        assert (found["hostname"], found["ssh_key"], found["on"]) == ("haproxy-1", "ssh-ed25519 AAAA", True)
        assert call("GET", DEDICATED)["os"] == "debian13_64"
        assert gone(call, f"{DEDICATED}/install/status")

    def test_a_system_that_is_not_offered(self, call: Client) -> None:
        with pytest.raises(BadParametersError, match="compatible: debian13_64"):
            call("POST", f"{DEDICATED}/reinstall", {"operatingSystem": "dos"})

    def test_rescue_mode_keeps_the_own_system_off(self, app: Starlette, call: Client) -> None:
        call("POST", f"{DEDICATED}/reinstall", {"operatingSystem": "debian13_64"})
        wait()
        rescue = call("GET", f"{DEDICATED}/boot?bootType=rescue")[0]
        for boot, on in ((rescue, False), (1, True)):
            call("PUT", DEDICATED, {"bootId": boot})
            call("POST", f"{DEDICATED}/reboot")
            wait()
            call("GET", DEDICATED)
            assert machine_of(app.state.store, SERVER)["on"] is on

    def test_a_reboot_is_another_boot_of_the_same_installation(self, app: Starlette, call: Client) -> None:
        call("POST", f"{DEDICATED}/reinstall", {"operatingSystem": "debian13_64"})
        wait()
        call("GET", DEDICATED)
        before = machine_of(app.state.store, SERVER)
        call("POST", f"{DEDICATED}/reboot")
        wait()
        call("GET", DEDICATED)
        after = machine_of(app.state.store, SERVER)
        assert after["install"] == before["install"]
        assert after["boot"] != before["boot"]

    @pytest.mark.parametrize("body", [{"bootId": 99}, {"bootId": "1"}, {"monitoring": 1}, {"ip": "1.2.3.4"}])
    def test_bad_changes(self, call: Client, body: Object) -> None:
        with pytest.raises(BadParametersError):
            call("PUT", DEDICATED, body)

    def test_networking_takes_own_interfaces_only(self, call: Client) -> None:
        with pytest.raises(BadParametersError, match="00:00"):
            call("POST", f"{DEDICATED}/networking", {"interfaces": [{"type": "vrack", "macs": ["00:00"]}]})


class TestVps:
    def test_a_vps_is_delivered_running_with_the_customers_key(self, app: Starlette, call: Client) -> None:
        found = machine_of(app.state.store, VPS)
        assert (found["system"], found["on"], found["ssh_key"]) == ("debian13_64", True, "ssh-ed25519 AAAA customer")
        assert call("GET", VM)["state"] == "running"

    def test_a_rebuild(self, app: Starlette, call: Client) -> None:
        image = call("GET", f"{VM}/images/available")[0]
        assert call("GET", f"{VM}/images/available/{image}")["name"] == "debian13_64"
        task = call("POST", f"{VM}/rebuild", {"imageId": image, "publicSshKey": "ssh-ed25519 BBBB"})
        assert (task["type"], task["state"]) == ("reinstallVm", "todo")
        assert call("GET", VM)["state"] == "installing"
        wait()
        assert call("GET", VM)["state"] == "running"
        assert machine_of(app.state.store, VPS)["ssh_key"] == "ssh-ed25519 BBBB"

    def test_stop_and_start(self, app: Starlette, call: Client) -> None:
        for action, state in (("stop", "stopped"), ("start", "running")):
            call("POST", f"{VM}/{action}")
            wait()
            assert call("GET", VM)["state"] == state
            assert machine_of(app.state.store, VPS)["on"] is (state == "running")
        with pytest.raises(BadParametersError):
            call("POST", f"{VM}/start")

    def test_an_image_that_is_not_there(self, call: Client) -> None:
        with pytest.raises(BadParametersError, match="imageId"):
            call("POST", f"{VM}/rebuild", {"imageId": "x"})


@pytest.fixture
def network(call: Client) -> Object:
    attach(call, "cloudProject", PROJECT)
    made = call("POST", f"{CLOUD}/network/private", {"name": "net", "vlanId": 8, "regions": ["GRA11", "SBG5"]})
    assert made["status"] == "BUILDING"
    wait()
    found: Object = call("GET", f"{CLOUD}/network/private/{made['id']}")
    return found


SUBNET = {
    "network": "10.8.0.0/24",
    "start": "10.8.0.10",
    "end": "10.8.0.99",
    "region": "GRA11",
    "dhcp": False,
    "noGateway": False,
}


class TestNetworks:
    def test_a_network_is_one_of_openstacks_in_each_region(self, network: Object) -> None:
        assert (network["id"], network["status"]) == ("pn-1001_8", "ACTIVE")
        assert len({part["openstackId"] for part in network["regions"]}) == 2

    def test_only_in_a_vrack(self, call: Client) -> None:
        with pytest.raises(ResourceConflictError, match="not attached to a vRack"):
            call("POST", f"{CLOUD}/network/private", {"name": "n"})

    @pytest.mark.usefixtures("network")
    def test_a_vlan_is_used_once(self, call: Client) -> None:
        with pytest.raises(ResourceConflictError, match="vlanId 8"):
            call("POST", f"{CLOUD}/network/private", {"name": "other", "vlanId": 8})

    def test_a_region_is_asked_for_once(self, call: Client, network: Object) -> None:
        with pytest.raises(ResourceConflictError, match="already activated"):
            call("POST", f"{CLOUD}/network/private/{network['id']}/region", {"region": "GRA11"})

    @pytest.mark.usefixtures("network")
    def test_storage_regions_have_no_networks(self, call: Client) -> None:
        with pytest.raises(BadParametersError, match="object storage only"):
            call("POST", f"{CLOUD}/network/private", {"name": "n", "regions": ["GRA"]})

    def test_subnet_and_gateway(self, call: Client, network: Object) -> None:
        subnet = call("POST", f"{CLOUD}/network/private/{network['id']}/subnet", SUBNET)
        assert subnet["gatewayIp"] == "10.8.0.1"
        openstack = network["regions"][0]["openstackId"]
        made = call(
            "POST",
            f"{CLOUD}/region/GRA11/network/{openstack}/subnet/{subnet['id']}/gateway",
            {"name": "gw", "model": "s"},
        )
        assert made["status"] == "in-progress"
        wait()
        done = call("GET", f"{CLOUD}/operation/{made['id']}")
        gateway = call("GET", f"{CLOUD}/region/GRA11/gateway/{done['resourceId']}")
        assert (done["status"], gateway["status"]) == ("completed", "active")
        with pytest.raises(BadParametersError, match="gateway"):
            call("DELETE", f"{CLOUD}/network/private/{network['id']}/subnet/{subnet['id']}")
        call("PUT", f"{CLOUD}/region/GRA11/gateway/{gateway['id']}", {"model": "m"})
        with pytest.raises(BadParametersError, match="smaller"):
            call("PUT", f"{CLOUD}/region/GRA11/gateway/{gateway['id']}", {"model": "s"})
        call("DELETE", f"{CLOUD}/region/GRA11/gateway/{gateway['id']}")
        wait()
        assert gone(call, f"{CLOUD}/region/GRA11/gateway/{gateway['id']}")

    @pytest.mark.parametrize(
        "change",
        [{"start": "10.9.0.1"}, {"end": "10.8.0.9"}, {"network": "10.8.0.1/24"}, {"region": "BHS5"}, {"region": None}],
    )
    def test_bad_subnets(self, call: Client, network: Object, change: Object) -> None:
        with pytest.raises(BadParametersError):
            call("POST", f"{CLOUD}/network/private/{network['id']}/subnet", {**SUBNET, **change})

    def test_a_network_with_subnets_stays(self, call: Client, network: Object) -> None:
        subnet = call("POST", f"{CLOUD}/network/private/{network['id']}/subnet", SUBNET)
        with pytest.raises(ResourceConflictError, match="subnets"):
            call("DELETE", f"{CLOUD}/network/private/{network['id']}")
        call("DELETE", f"{CLOUD}/network/private/{network['id']}/subnet/{subnet['id']}")
        call("DELETE", f"{CLOUD}/network/private/{network['id']}")
        assert call("GET", f"{CLOUD}/network/private/{network['id']}")["status"] == "DELETING"
        wait()
        assert gone(call, f"{CLOUD}/network/private/{network['id']}")

    def test_the_newer_subnet(self, call: Client, network: Object) -> None:
        base = f"{CLOUD}/region/SBG5/network/{network['regions'][1]['openstackId']}/subnet"
        made = call("POST", base, {"name": "s", "cidr": "10.8.0.0/24", "enableGatewayIp": False})
        assert call("GET", f"{base}/{made['id']}") == made
        assert (made["gatewayIp"], made["cidr"]) == (None, "10.8.0.0/24")
        call("DELETE", f"{base}/{made['id']}")
        assert call("GET", base) == []


@pytest.fixture
def user(call: Client) -> Object:
    made = call("POST", f"{CLOUD}/user", {"description": "backup", "role": "objectstore_operator"})
    assert made["status"] == "creating"
    wait()
    found: Object = call("GET", f"{CLOUD}/user/{made['id']}")
    return found


class TestUsers:
    def test_a_user(self, call: Client, user: Object) -> None:
        assert (user["status"], user["roles"][0]["name"]) == ("ok", "objectstore_operator")
        assert "password" not in user
        content = call("GET", f"{CLOUD}/user/{user['id']}/openrc?region=to_be_overriden")["content"]
        for name in ("AUTH_URL", "TENANT_ID", "TENANT_NAME", "USERNAME"):
            assert f"export OS_{name}=" in content

    def test_the_url_of_openstack_stands_bare_in_openrc(self, call: Client, user: Object) -> None:
        content = call("GET", f"{CLOUD}/user/{user['id']}/openrc?region=GRA11")["content"]
        assert re.search(r"^export OS_AUTH_URL=http\S+[^\"]$", content, re.MULTILINE)

    def test_roles_are_changed(self, call: Client, user: Object) -> None:
        known = {one["name"]: one for one in call("GET", f"{CLOUD}/role")["roles"]}
        call("PUT", f"{CLOUD}/user/{user['id']}/role", {"rolesIds": [known["compute_operator"]["id"]]})
        assert call("GET", f"{CLOUD}/user/{user['id']}")["roles"] == [known["compute_operator"]]
        with pytest.raises(BadParametersError, match="rolesIds"):
            call("PUT", f"{CLOUD}/user/{user['id']}/role", {"rolesIds": ["king"]})

    def test_a_role_that_does_not_exist(self, call: Client) -> None:
        with pytest.raises(BadParametersError, match="king"):
            call("POST", f"{CLOUD}/user", {"roles": ["king"]})

    def test_the_secret_of_a_credential_is_asked_for(self, call: Client, user: Object) -> None:
        base = f"{CLOUD}/user/{user['id']}/s3Credentials"
        made = call("POST", base)
        assert call("GET", base) == [{name: made[name] for name in ("access", "userId", "tenantId")}]
        assert call("POST", f"{base}/{made['access']}/secret") == {"secret": made["secret"]}
        call("DELETE", f"{base}/{made['access']}")
        assert gone(call, f"{base}/{made['access']}")

    def test_a_user_goes_with_its_credentials(self, call: Client, user: Object) -> None:
        call("DELETE", f"{CLOUD}/user/{user['id']}")
        assert call("GET", f"{CLOUD}/user/{user['id']}")["status"] == "deleting"
        wait()
        assert gone(call, f"{CLOUD}/user/{user['id']}")

    @pytest.mark.parametrize(
        "text",
        [
            "x",
            "[]",
            "{}",
            '{"Statement": [{"Effect": "Maybe"}]}',
            '{"Statement": [{"Effect": "Allow", "Action": "s3:*"}]}',
        ],
    )
    def test_bad_policies(self, call: Client, user: Object, text: str) -> None:
        with pytest.raises(BadParametersError, match="policy"):
            call("POST", f"{CLOUD}/user/{user['id']}/policy", {"policy": text})


class TestStorage:
    def test_a_bucket(self, call: Client) -> None:
        made = call(
            "POST",
            STORAGE,
            {
                "name": "sofoot-backup",
                "versioning": {"status": "enabled"},
                "encryption": {"sseAlgorithm": "AES256"},
                "tags": {"stack": "sofoot"},
            },
        )
        assert made["virtualHost"] == "https://sofoot-backup.s3.gra.io.cloud.ovh.net/"
        assert call("GET", f"{STORAGE}/sofoot-backup") == made
        assert (made["region"], made["objectsCount"], made["objects"]) == ("GRA", 0, [])
        call("DELETE", f"{STORAGE}/sofoot-backup")
        assert gone(call, f"{STORAGE}/sofoot-backup")

    @pytest.mark.parametrize("name", ["", "ab", "A-b", "a..b", "-ab", "10.0.0.1", "x" * 64, "a_b"])
    def test_bad_names(self, call: Client, name: str) -> None:
        with pytest.raises(BadParametersError, match="InvalidBucketName"):
            call("POST", STORAGE, {"name": name})

    def test_a_name_is_taken_everywhere(self, call: Client) -> None:
        call("POST", STORAGE, {"name": "photos"})
        with pytest.raises(ResourceConflictError, match="already exists"):
            call("POST", STORAGE.replace("GRA", "SBG"), {"name": "photos"})
        assert gone(call, STORAGE.replace("GRA", "SBG") + "/photos")

    def test_a_bucket_that_is_not_empty_stays(self, app: Starlette, call: Client) -> None:
        call("POST", STORAGE, {"name": "photos"})
        app.state.openstack.buckets["photos"] = [
            StoredObject(f"{n}.jpg", 10, "e", "2026-01-01T00:00:00Z") for n in range(3)
        ]
        with pytest.raises(BadParametersError, match="BucketNotEmpty"):
            call("DELETE", f"{STORAGE}/photos")
        assert call("GET", f"{STORAGE}/photos?limit=2")["objectsCount"] == 3
        listed = call("GET", f"{STORAGE}/photos/object?withVersions=true&limit=2")
        assert [found["key"] for found in listed] == ["0.jpg", "1.jpg"]
        while listed := call("GET", f"{STORAGE}/photos/object?withVersions=true"):
            call(
                "POST",
                f"{STORAGE}/photos/bulkDeleteObjects",
                {"objects": [{"key": found["key"], "versionId": found["versionId"]} for found in listed]},
            )
        call("DELETE", f"{STORAGE}/photos")

    def test_versioning_can_only_be_suspended(self, call: Client) -> None:
        call("POST", STORAGE, {"name": "photos", "versioning": {"status": "enabled"}})
        with pytest.raises(BadParametersError, match="suspended"):
            call("PUT", f"{STORAGE}/photos", {"versioning": {"status": "disabled"}})
        call("PUT", f"{STORAGE}/photos", {"versioning": {"status": "suspended"}})
        assert call("GET", f"{STORAGE}/photos")["versioning"] == {"status": "suspended"}

    def test_a_lifecycle(self, call: Client) -> None:
        call("POST", STORAGE, {"name": "photos"})
        path = f"{STORAGE}/photos/lifecycle"
        assert gone(call, path)
        rule = {"id": "old", "status": "enabled", "filter": {"prefix": "db/"}, "expiration": {"days": 21}}
        call("PUT", path, {"rules": [rule]})
        assert call("GET", path) == {"rules": [rule]}, "what a rule does not have is left out"
        with pytest.raises(BadParametersError, match="same id"):
            call("PUT", path, {"rules": [rule, rule]})
        call("DELETE", path)
        assert gone(call, path)

    def test_what_is_past_its_lifecycle_is_deleted(self, app: Starlette, call: Client) -> None:
        call("POST", STORAGE, {"name": "backups"})
        rules = [
            {"id": "dumps", "status": "enabled", "filter": {"prefix": "db/"}, "expiration": {"days": 21}},
            {"id": "old", "status": "enabled", "noncurrentVersionExpiration": {"noncurrentDays": 2}},
            {"id": "off", "status": "disabled", "expiration": {"days": 1}},
            {"id": "tagged", "status": "enabled", "filter": {"tags": {"a": "b"}}, "expiration": {"days": 1}},
        ]
        call("PUT", f"{STORAGE}/backups/lifecycle", {"rules": rules})
        day = "2026-11-{:02}T00:00:00Z"
        app.state.openstack.buckets["backups"] = [
            StoredObject("db/1", 1, "e", day.format(1)),
            StoredObject("db/2", 1, "e", day.format(3)),
            StoredObject("site", 1, "e", day.format(1)),
            StoredObject("site", 1, "e", day.format(1), version="v1", latest=False),
        ]
        at = datetime.fromisoformat(day.format(22))
        assert storage.expire(app.state.store, app.state.openstack, at) == 2
        left = [(item.key, item.latest) for item in app.state.openstack.objects("backups")]
        assert left == [("db/2", True), ("site", True)]

    def test_a_region_without_storage(self, call: Client) -> None:
        with pytest.raises(ResourceNotFoundError, match="object storage"):
            call("GET", f"{CLOUD}/region/GRA11/storage")

    def test_days_of_a_version_count_from_what_took_its_place(self, app: Starlette, call: Client) -> None:
        call("POST", STORAGE, {"name": "backups"})
        rule = {"id": "undo", "status": "enabled", "noncurrentVersionExpiration": {"noncurrentDays": 30}}
        call("PUT", f"{STORAGE}/backups/lifecycle", {"rules": [rule]})
        month = "2026-{:02}-01T00:00:00Z"
        app.state.openstack.buckets["backups"] = [
            StoredObject("old", 1, "e", month.format(1), version="v1", latest=False),
            StoredObject("old", 0, "e", month.format(9), version="v2", delete_marker=True),
        ]
        store, cloud = app.state.store, app.state.openstack
        assert storage.expire(store, cloud, datetime.fromisoformat("2026-09-30T00:00:00Z")) == 0
        assert storage.expire(store, cloud, datetime.fromisoformat("2026-10-01T00:00:00Z")) == 1
        assert [item.version for item in cloud.objects("backups")] == ["v2"]

    def test_owners_and_policies_are_told_to_the_storage(self, app: Starlette, call: Client, user: Object) -> None:
        told: list[tuple[Any, Any]] = []
        app.state.openstack.set_policies = lambda *both: told.append(both)
        call("POST", STORAGE, {"name": "own", "ownerId": user["id"]})
        call("POST", STORAGE, {"name": "other"})
        identity = user["openstackId"]
        assert told[-1] == ({"own": identity}, {identity: {"Statement": []}})
        reading = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::other/*"}
        call("POST", f"{CLOUD}/user/{user['id']}/policy", {"policy": json.dumps({"Statement": [reading]})})
        assert told[-1] == ({"own": identity}, {identity: {"Statement": [reading]}})

    @pytest.mark.parametrize(
        "statement",
        [{"Action": "s3:DeleteObjectVersion"}, {"Action": ["s3:GetObject", "s3:Erase*"]}, {"Condition": {}}],
    )
    def test_what_a_policy_cannot_say(self, call: Client, user: Object, statement: Object) -> None:
        whole = {"Effect": "Allow", "Action": "s3:*", "Resource": "*", **statement}
        with pytest.raises(BadParametersError, match=r"no action|conditions"):
            call("POST", f"{CLOUD}/user/{user['id']}/policy", {"policy": json.dumps({"Statement": [whole]})})


class TestDomain:
    def record(self, call: Client, **body: Any) -> Object:
        made: Object = call("POST", f"{ZONE}/record", body)
        return made

    def test_what_is_not_refreshed_is_not_served(self, app: Starlette, call: Client) -> None:
        self.record(call, fieldType="A", subDomain="www", target="198.18.30.1", ttl=60)
        served = app.state.store.need("zone", "sandbox", "zone", "sofoot.example")
        assert served["records"] == []
        call("POST", f"{ZONE}/refresh")
        call("GET", ZONE)
        served = app.state.store.need("zone", "sandbox", "zone", "sofoot.example")
        assert (served["records"][0]["target"], served["state"]) == ("198.18.30.1", "served")

    def test_records_are_found_by_type_and_name(self, call: Client) -> None:
        made = self.record(call, fieldType="A", subDomain="www", target="198.18.30.1")
        text = self.record(call, fieldType="TXT", target="v=spf1 -all")
        assert text["target"] == '"v=spf1 -all"'
        assert call("GET", f"{ZONE}/record?fieldType=A&subDomain=www") == [made["id"]]
        call("PUT", f"{ZONE}/record/{made['id']}", {"target": "198.18.30.2"})
        assert call("GET", f"{ZONE}/record/{made['id']}")["target"] == "198.18.30.2"

    @pytest.mark.parametrize(
        "body",
        [
            {"fieldType": "A", "target": "x"},
            {"fieldType": "AAAA", "target": "1.2.3.4"},
            {"fieldType": "X", "target": "x"},
            {"fieldType": "A"},
            {"fieldType": "A", "target": "1.2.3.4", "ttl": 5},
            {"fieldType": "A", "target": "1.2.3.4", "ttl": "60"},
        ],
    )
    def test_bad_records(self, call: Client, body: Object) -> None:
        with pytest.raises(BadParametersError):
            self.record(call, **body)

    def test_a_cname_is_alone(self, call: Client) -> None:
        self.record(call, fieldType="A", subDomain="www", target="198.18.30.1")
        with pytest.raises(ResourceConflictError, match="CNAME"):
            self.record(call, fieldType="CNAME", subDomain="www", target="sofoot.example.")

    def test_the_lines_of_the_name_server(self) -> None:
        records = [
            {"id": n, "fieldType": kind, "subDomain": name, "target": target, "ttl": ttl}
            for n, (kind, name, target, ttl) in enumerate(
                [
                    ("A", "www", "198.18.30.1", 60),
                    ("A", "www", "198.18.30.2", 0),
                    ("CNAME", "cdn", "www", 0),
                    ("MX", "", "10 mail.example.org.", 0),
                    ("TXT", "", '"v=spf1 -all"', 0),
                    ("SRV", "_sip._tcp", "1 2 5060 www", 0),
                    ("NS", "", "dns.example.", 0),
                ]
            )
        ]
        assert zones.render("sofoot.example", records).splitlines() == [
            "local=/sofoot.example/",
            "host-record=www.sofoot.example,198.18.30.1,60",
            "host-record=www.sofoot.example,198.18.30.2",
            "cname=cdn.sofoot.example,www.sofoot.example",
            "mx-host=sofoot.example,mail.example.org,10",
            'txt-record=sofoot.example,"v=spf1 -all"',
            "srv-host=_sip._tcp.sofoot.example,www.sofoot.example,5060,1,2",
        ]


class TestAddresses:
    BLOCK = "/ip/198.18.28.1%2F32"

    def test_a_move(self, call: Client) -> None:
        task = call("POST", f"{self.BLOCK}/move", {"to": "ns31000002.ip-198-18-16-2.eu"})
        with pytest.raises(ResourceConflictError):
            call("POST", f"{self.BLOCK}/park")
        wait()
        assert call("GET", f"{self.BLOCK}/task/{task['taskId']}")["status"] == "done"
        assert call("GET", "/ip/198.18.28.1")["routedTo"] == {"serviceName": "ns31000002.ip-198-18-16-2.eu"}

    def test_a_destination_that_is_not_the_customers(self, call: Client) -> None:
        with pytest.raises(BadParametersError, match="does not exist"):
            call("POST", f"{self.BLOCK}/move", {"to": "ns1.example"})

    def test_a_reverse(self, call: Client) -> None:
        base = "/ip/198.18.28.16%2F28/reverse"
        assert call("POST", base, {"ipReverse": "198.18.28.17", "reverse": "a.example"})["reverse"] == "a.example."
        with pytest.raises(BadParametersError, match="not part of"):
            call("POST", base, {"ipReverse": "198.18.28.1", "reverse": "a.example"})

    def test_the_firewall_takes_its_time(self, call: Client) -> None:
        made = call("POST", f"{self.BLOCK}/firewall", {"ipOnFirewall": "198.18.28.1"})
        assert made["state"] == "enableFirewallPending"
        wait()
        assert call("GET", f"{self.BLOCK}/firewall/198.18.28.1")["state"] == "ok"
