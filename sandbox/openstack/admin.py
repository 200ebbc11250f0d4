"""The operator's own connection to the control planes."""

from typing import TYPE_CHECKING

from sandbox.openstack import secrets
from sandbox.openstack.configuration import AUTH_URL, HOME_REGION

if TYPE_CHECKING:
    from openstack.connection import Connection

CUSTOMER_PROJECT = "customer"


def connection(region: str = HOME_REGION, project: str = CUSTOMER_PROJECT) -> "Connection":
    """Connect with administrator's rights; what is created belongs to the customer's project."""
    # Not at the top: the library is in the OpenStack virtual environment only, and slow to load.
    import openstack

    return openstack.connect(
        load_envvars=False,
        load_yaml_config=False,
        auth_url=AUTH_URL,
        username="admin",
        password=secrets.load().admin,
        project_name=project,
        user_domain_name="Default",
        project_domain_name="Default",
        region_name=region,
    )
