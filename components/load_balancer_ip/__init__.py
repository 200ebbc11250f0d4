"""OVHcloud's IP Load Balancing in front of machines of a vRack."""

from casebook.load_balancer_ip.args import FarmServer, Listener, LoadBalancerIpArgs, Probe
from casebook.load_balancer_ip.component import LoadBalancerIp

__all__ = ["FarmServer", "Listener", "LoadBalancerIp", "LoadBalancerIpArgs", "Probe"]
