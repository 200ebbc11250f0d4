"""The real OpenStack services, one process each, and behind them machines and networks of this host.

Keystone, Placement, Glance, Neutron, Nova, Cinder, Octavia and Swift come from the Python package index
(requirements.lock) into a virtual environment.  What this package adds is what a cloud's operator adds: drivers
(nova_driver, cinder_driver, octavia_driver, ml2_driver), the fabric, configuration and a catalogue.
"""
