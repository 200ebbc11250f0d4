"""Stand-ins for provider plugins that cannot be downloaded.

They answer the Pulumi engine as the real plugins do, keep no state of their own, and refuse what the real ones
refuse: the Python SDK of each provider tells names and types.
"""
