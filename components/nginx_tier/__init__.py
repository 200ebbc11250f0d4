"""A tier of nginx: page cache, images, reverse proxy."""

from casebook.nginx_tier.args import Images, NginxTierArgs, PageCache, RequestFilter
from casebook.nginx_tier.component import NginxTier

__all__ = ["Images", "NginxTier", "NginxTierArgs", "PageCache", "RequestFilter"]
