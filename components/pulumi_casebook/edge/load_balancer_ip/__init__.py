"""OVHcloud's IP Load Balancing in front of machines of a vRack, or of machines with public addresses."""

from pulumi_casebook.edge.load_balancer_ip.args import FarmServer, Listener, LoadBalancerIpArgs, Probe
from pulumi_casebook.edge.load_balancer_ip.component import LoadBalancerIp, balancer_cidrs, rented_balancer

__all__ = [
    "FarmServer",
    "Listener",
    "LoadBalancerIp",
    "LoadBalancerIpArgs",
    "Probe",
    "balancer_cidrs",
    "rented_balancer",
]
