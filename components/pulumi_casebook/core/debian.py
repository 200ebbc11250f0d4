"""The Debian that every machine runs, and what only its release decides."""

RELEASE = 13
IMAGE = f"Debian {RELEASE}"  # OVHcloud's name of it, of instances
PHP = "8.4"
