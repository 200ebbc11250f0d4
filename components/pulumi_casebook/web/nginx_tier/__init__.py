"""A tier of nginx: page cache, images, reverse proxy."""

from pulumi_casebook.web.nginx_tier.args import Images, NginxTierArgs, PageCache, RequestFilter
from pulumi_casebook.web.nginx_tier.component import NginxTier

__all__ = ["Images", "NginxTier", "NginxTierArgs", "PageCache", "RequestFilter"]
