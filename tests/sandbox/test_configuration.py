"""Configuration files, as the programs that read them see them."""

import configparser
from pathlib import Path

import pytest

from sandbox import edge
from sandbox.openstack import catalogue, configuration
from sandbox.openstack.secrets import Secrets

SECRETS = Secrets(*(f"secret{number}" for number in range(9)))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    return configuration.files(SECRETS, tmp_path)


def test_every_file_is_well_formed(files: dict[str, str]) -> None:
    for name, text in files.items():
        parser = configparser.RawConfigParser()
        parser.read_string(text, name)
        assert parser.sections() or parser.defaults()


def test_every_vrack_of_the_account_is_a_physical_network(files: dict[str, str]) -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(files["neutron.conf"])
    ranges = parser["ml2_type_vlan"]["network_vlan_ranges"].split(",")
    assert ranges == configuration.vracks()
    assert ranges


def test_a_signature_holds_in_its_own_region_only(files: dict[str, str]) -> None:
    for region in configuration.S3_PORTS:
        parser = configparser.RawConfigParser()
        parser.read_string(files[f"swift-proxy-{region}.conf"])
        assert parser["filter:s3api"]["location"] == region
        assert parser["filter:s3api"]["storage_domain"] == f"s3.{region}.io.cloud.ovh.net"


def test_the_edge_knows_a_region_and_its_buckets() -> None:
    text = edge.configuration()
    assert "use_backend gra if { hdr(host),host_only s3.gra.io.cloud.ovh.net storage.gra.cloud.ovh.net }" in text
    assert "use_backend gra if { hdr(host),host_only -m end .s3.gra.io.cloud.ovh.net }" in text


def test_every_region_is_offered_everything() -> None:
    assert {"GRA11", "RBX-A", "SBG5", "BHS5", "GRA", "RBX", "SBG", "BHS"} == set(configuration.REGIONS)
    assert {"identity", "image", "compute", "network", "volumev3", "load-balancer", "object-store"} <= set(
        catalogue.SERVICES
    )
