"""Instances that come and go with the load: monitoring's alerts drive Pulumi's Automation API."""

from casebook.autoscaler.args import AutoscalerArgs
from casebook.autoscaler.program import Autoscaler, PulumiStack, listener

__all__ = ["Autoscaler", "AutoscalerArgs", "PulumiStack", "listener"]
