"""Instances that come and go with the load: monitoring's alerts drive Pulumi's Automation API."""

from pulumi_casebook.watching.autoscaler.args import AutoscalerArgs
from pulumi_casebook.watching.autoscaler.program import Autoscaler, PulumiStack, Unknown

__all__ = ["Autoscaler", "AutoscalerArgs", "PulumiStack", "Unknown"]
