"""The stacks' configuration, and the commands that run Pulumi on them."""
