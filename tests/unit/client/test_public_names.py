"""What programs of others import from the SDK is there, and costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import podraft.client


@pytest.mark.parametrize("name", podraft.client.__all__)
def test_every_public_name_is_found(name: str) -> None:
    assert getattr(podraft.client, name).__name__.endswith(name.removesuffix("_config"))


def test_other_names_are_errors_of_the_module() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nobody'"):
        podraft.client.Nobody  # noqa: B018 - asking is the test


def test_importing_the_sdk_imports_none_of_its_modules() -> None:
    code = "import podraft.client, sys; print([m for m in sys.modules if 'grpc' in m])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
