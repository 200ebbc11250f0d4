"""OVHcloud's REST API and the estate behind it: what a customer's account answers, and the machines it answers for.

    python -m sandbox.ovhcloud --account FILE --database FILE --port N [--task-seconds S] [--estate STATE]

Without `--estate` nothing but the database changes; with it, dedicated servers and VPS are machines, an IP Load
Balancing is an HAProxy, a vRack is wires, and a private network is Neutron's (see `estate.py`).
"""
