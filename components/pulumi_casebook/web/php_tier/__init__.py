"""A tier of PHP, behind FastCGI or Apache."""

from pulumi_casebook.web.php_tier.args import PhpTierArgs
from pulumi_casebook.web.php_tier.component import PhpTier

__all__ = ["PhpTier", "PhpTierArgs"]
