"""Two members and a real garbd: its vote decides."""

import subprocess

import pytest

from pulumi_casebook.data.galera_cluster.component import arbitrator
from tests.components.data.galera_cluster.conftest import Machines, arguments, machine, moved
from tests.waiting import until


@pytest.mark.claim("NRT-5")
def test_an_arbitrator_keeps_one_of_two_members_alive(machines: Machines) -> None:
    args = arguments(members=2, arbitrators=1)
    first, second = members = [machines.member(number, args) for number in (1, 2)]
    for one in members:
        one.start_keeper()
    for one in members:
        one.start_server()
        until(one.ready)
    voter = machines.member(3, args)
    files = {file.path: moved(file.content, voter.folder) for file in arbitrator("database", args, machine(3)).files}
    voter.write({"nodes": files["/etc/galera/nodes"], "garb": files["/etc/default/garb"]})
    # As garb.service starts it, but for the place of its file.
    start = f". {voter.folder}/garb; exec garbd -a gcomm://$(echo $GALERA_NODES | tr ' ' ,) -g $GALERA_GROUP"
    with (voter.folder / "log").open("wb") as log:
        command = voter.inside("sh", "-c", f'{start} -o "$GALERA_OPTIONS"')
        vote = subprocess.Popen(command, stdout=log, stderr=log, cwd=voter.folder)
    try:
        until(lambda: first.figure("cluster_size") == "3")
        second.kill()
        until(lambda: first.write_row(1) == "")
        until(lambda: first.figure("cluster_size") == "2")
        vote.kill()
        vote.wait()
        until(lambda: first.figure("cluster_status") == "non-Primary")
        assert first.health()[0] == 503
    finally:
        vote.kill()
        vote.wait()
