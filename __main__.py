"""The Pulumi program of every stack: builds the architecture that the stack's configuration names."""

import architectures

architectures.build()
