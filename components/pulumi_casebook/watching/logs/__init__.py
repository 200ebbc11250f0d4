"""Every machine's logs in one place, searchable."""

from pulumi_casebook.watching.logs.args import LogsArgs
from pulumi_casebook.watching.logs.component import Logs

__all__ = ["Logs", "LogsArgs"]
