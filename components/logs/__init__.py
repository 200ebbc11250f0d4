"""Every machine's logs in one place, searchable."""

from casebook.logs.args import LogsArgs
from casebook.logs.component import Logs

__all__ = ["Logs", "LogsArgs"]
