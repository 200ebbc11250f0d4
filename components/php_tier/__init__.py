"""A tier of PHP, behind FastCGI or Apache."""

from casebook.php_tier.args import PhpTierArgs
from casebook.php_tier.component import PhpTier

__all__ = ["PhpTier", "PhpTierArgs"]
