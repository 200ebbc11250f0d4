"""Serve the API on the loopback interface: see `python -m sandbox.ovhcloud --help`."""

import argparse
from pathlib import Path

import uvicorn

from sandbox import PROJECT, SSH_KEY

from .account import load_account
from .app import create_app
from .backing import nothing
from .estate import real

parser = argparse.ArgumentParser("python -m sandbox.ovhcloud", description="OVHcloud's API and the estate behind it")
parser.add_argument("--account", type=Path, required=True, help="what the customer owns (YAML)")
parser.add_argument("--database", type=Path, required=True, help="where the account's state is kept (SQLite)")
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--task-seconds", type=float, default=0.5, help="how long a task takes at least")
parser.add_argument("--project", type=Path, default=PROJECT, help="the sandbox's credentials and project id (JSON)")
parser.add_argument("--api-only", action="store_true", help="no estate: nothing but the database changes")
options = parser.parse_args()
for file in (options.account, options.project):
    if not file.exists():
        parser.error(f"{file} does not exist: start the sandbox, which makes it, or name another one")

key = SSH_KEY.with_name(SSH_KEY.name + ".pub")
account = load_account(options.account, options.project, None if options.api_only else key)
app = create_app(options.database, account, options.task_seconds, nothing if options.api_only else real)
uvicorn.run(
    app,
    host="127.0.0.1",
    port=options.port,
    log_level="warning",
    timeout_graceful_shutdown=3,
    # Longer than any client keeps an idle connection: one that is closed just as it is used again loses a POST.
    timeout_keep_alive=600,
)
