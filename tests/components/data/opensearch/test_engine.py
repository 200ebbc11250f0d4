"""One node's role; what a real node does with it is in the tests of the search pair and of logs."""

import yaml

from pulumi_casebook.data.opensearch import engine
from pulumi_casebook.machines.configuration import Ready


def test_settings_are_yaml_whatever_they_hold_and_each_node_has_folders_of_its_own() -> None:
    settings = {"cluster.name": "search: #1", "discovery.seed_hosts": ["10.8.0.80"], "node.roles": []}
    role = engine("search", settings, 512, Ready(command="true"))
    files = {file.path: file.content for file in role.files}
    read = yaml.safe_load(files["/etc/opensearch-search/opensearch.yml"])
    assert {key: read[key] for key in settings} == settings
    assert read["path.data"] == "/var/lib/opensearch-search/data"
    assert "-Xms512m" in files["/etc/opensearch-search/jvm.options"]
    assert "-Xmx512m" in files["/etc/opensearch-search/jvm.options"]
    [unit] = role.units
    assert (unit.unit, set(unit.restart_on)) == ("opensearch-search.service", set(files))


def test_nobody_is_let_in_who_is_not_named() -> None:
    assert engine("search", {}, 512, Ready(command="true")).allow == ()
