"""Monitoring of machines: Prometheus, Alertmanager and an exporter on each."""

from casebook.monitoring.args import MailArgs, MonitoringArgs, ThresholdsArgs
from casebook.monitoring.component import Monitoring, exporter_access

__all__ = ["MailArgs", "Monitoring", "MonitoringArgs", "ThresholdsArgs", "exporter_access"]
