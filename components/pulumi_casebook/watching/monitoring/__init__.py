"""Monitoring of machines: Prometheus, Alertmanager and an exporter on each."""

from pulumi_casebook.watching.monitoring.args import (
    MailArgs,
    MonitoringArgs,
    NightArgs,
    SmsArgs,
    ThresholdsArgs,
    check_night,
)
from pulumi_casebook.watching.monitoring.component import Monitoring

__all__ = [
    "MailArgs",
    "Monitoring",
    "MonitoringArgs",
    "NightArgs",
    "SmsArgs",
    "ThresholdsArgs",
    "check_night",
]
