"""Signed URLs, against what the makers of the two schemes publish."""

import time

import pytest

from pulumi_casebook.data.swift_storage.programs.signed_url import S3, Swift, load


def test_s3_signs_as_amazons_own_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs.aws.amazon.com, "Authenticating Requests: Using Query Parameters", with the bucket in the path."""
    monkeypatch.setattr(time, "gmtime", lambda: time.struct_time((2013, 5, 24, 0, 0, 0, 4, 144, 0)))
    signer = S3("https://s3.amazonaws.com", "us-east-1", "examplebucket", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI")
    url = signer.signed("GET", "a photo/ü.jpg", 86400)
    assert url.startswith(
        "https://s3.amazonaws.com/examplebucket/a%20photo/%C3%BC.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256&"
    )
    assert "X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&" in url
    assert "X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=" in url


def test_s3_signatures_differ_with_all_that_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "gmtime", lambda: time.struct_time((2013, 5, 24, 0, 0, 0, 4, 144, 0)))
    signer = S3("https://s3.gra.io.cloud.ovh.net", "gra", "photos", "access", "secret")
    urls = [signer.signed(*asked) for asked in (("GET", "a", 60), ("PUT", "a", 60), ("GET", "b", 60), ("GET", "a", 61))]
    assert len({url.rpartition("=")[2] for url in urls}) == 4


def test_swift_signs_method_time_and_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1700000000.5)
    url = Swift("https://storage.gra.cloud.ovh.net/v1/AUTH_1/photos", "key").signed("PUT", "a b", 300)
    # printf 'PUT\n1700000300\n/v1/AUTH_1/photos/a%20b' | openssl dgst -sha256 -hmac key
    signature = "0203203b68cd8d9f8efd21f9d6bdfeb17799b9fdfae20414f20e85355eb5ddd4"
    assert url == (
        f"https://storage.gra.cloud.ovh.net/v1/AUTH_1/photos/a%20b?temp_url_sig={signature}&temp_url_expires=1700000300"
    )


def test_a_key_file_says_of_which_kind_it_is() -> None:
    assert load('{"url": "https://storage.example/v1/A/c", "key": "k"}') == Swift("https://storage.example/v1/A/c", "k")
    s3 = '{"endpoint": "https://s3.example", "region": "gra", "bucket": "b", "access_key": "a", "secret_key": "s"}'
    assert isinstance(load(s3), S3)
